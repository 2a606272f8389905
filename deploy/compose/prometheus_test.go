//go:build compose

package compose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// awaitTargets waits until Prometheus scrapes every container that has metrics, and each answers.
func (s *stack) awaitTargets() {
	want := map[string]int{"prometheus": 1}
	for _, service := range load(s.t, Files(".", s.overlays...), s.all()).Services {
		role, _, _ := strings.Cut(service.Name, "-") // etcd-2 answers to etcd
		switch software(service) {
		case "milvus", "etcd", "minio", "pulsar":
			replicas, scaled := s.replicas[service.Name]
			if !scaled {
				replicas = service.GetScale()
			}
			want[role] += replicas
		}
	}
	s.await("every target to be up", func(ctx context.Context) error { return s.compareTargets(ctx, want) })
}

func (s *stack) compareTargets(ctx context.Context, want map[string]int) error {
	var found struct {
		ActiveTargets []struct {
			Labels            map[string]string
			Health, LastError string
		}
	}
	if err := s.ask(ctx, "targets", nil, &found); err != nil {
		return err
	}
	up := map[string]int{}
	for _, target := range found.ActiveTargets {
		if target.Health != "up" {
			return fmt.Errorf("%v is %s: %s", target.Labels, target.Health, target.LastError)
		}
		up[target.Labels["role"]]++
	}
	for role, n := range want {
		if up[role] != n {
			return fmt.Errorf("%d of %s are scraped, want %d", up[role], role, n)
		}
	}
	return nil
}

// awaitAlerts waits until all alerts fire; one is named by its rule and the role that it is about.
func (s *stack) awaitAlerts(limit time.Duration, want ...string) {
	s.t.Helper()
	s.awaitFor(limit, "alerts", func(ctx context.Context) error {
		var found struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
		if err := s.ask(ctx, "alerts", nil, &found); err != nil {
			return err
		}
		firing := map[string]bool{}
		for _, alert := range found.Alerts {
			name := alert.Labels["alertname"] + " " + alert.Labels["role"]
			firing[name] = firing[name] || alert.State == "firing"
		}
		for _, name := range want {
			if !firing[name] {
				return fmt.Errorf("%s does not fire; these do: %v", name, firing)
			}
		}
		return nil
	})
}

// awaitDashboards waits until every query of every dashboard has data.
func (s *stack) awaitDashboards() {
	files, err := filepath.Glob("monitoring/grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		s.t.Fatalf("no dashboards: %v", err)
	}
	for _, file := range files {
		var board struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal([]byte(read(s.t, file)), &board); err != nil {
			s.t.Fatal(err)
		}
		for _, panel := range board.Panels {
			for _, target := range panel.Targets {
				s.await(file+": "+panel.Title, func(ctx context.Context) error { return s.hasData(ctx, target.Expr) })
			}
		}
	}
}

// hasData asks a dashboard's question as Grafana would; an answer of nothing but NaN is none.
func (s *stack) hasData(ctx context.Context, expr string) error {
	var answer struct {
		Result []struct{ Value [2]any }
	}
	query := url.Values{"query": {strings.ReplaceAll(expr, "$__rate_interval", "1m")}}
	if err := s.ask(ctx, "query", query, &answer); err != nil {
		return err
	}
	for _, series := range answer.Result {
		if series.Value[1] != "NaN" {
			return nil
		}
	}
	return errors.New("no data for " + expr)
}

// ask puts a question to Prometheus' API.
func (s *stack) ask(ctx context.Context, what string, query url.Values, answer any) error {
	address := "http://127.0.0.1:" + s.variables["PROMETHEUS_PORT"] + "/api/v1/" + what + "?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(&struct{ Data any }{answer})
}
