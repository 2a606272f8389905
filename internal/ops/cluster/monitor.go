package cluster

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"migrate/internal/ops/compose"
)

// A Sample is what is to be seen of the cluster at one time.
type Sample struct {
	At time.Time `json:"at"`
	*State
	Registered []Count   `json:"registered"`
	Requests   []Request `json:"requests"`
	Searches   Searches  `json:"query_node_searches"`

	metrics Metrics // that the next sample's rates are taken from
}

// Count is how many of a component its coordinator knows.
type Count struct {
	Component string `json:"component"`
	Known     int    `json:"known"`
}

// Request is a kind of request to the proxies.
type Request struct {
	Kind      string  `json:"kind"`
	Total     int64   `json:"total"` // since the proxies were started
	Failed    int64   `json:"failed"`
	PerSecond float64 `json:"per_second"` // since the sample before; 0 in the first
}

// Searches are those of the query nodes: since the sample before, or since they were started in the first one.
type Searches struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_ms"`
	P99   float64 `json:"p99_ms"` // to the bounds of the metric, which are powers of two
}

// kind is a kind of request, and what the proxies call it.
type kind struct {
	name      string
	functions []string
}

// kinds are the requests that are shown.
var kinds = []kind{
	{"Search", []string{"Search"}},
	{"Query", []string{"Query"}},
	{"Insert", []string{"Insert"}},
	{"Upsert", []string{"Upsert"}},
	{"Delete", []string{"Delete"}},
	{"Import", []string{"Import", "ImportV2"}}, // the second from Milvus 2.4 on
}

// Watch takes a sample. Rates are those since the one before, which may be nil.
func Watch(ctx context.Context, p Platform, before *Sample) (*Sample, error) {
	services, containers, err := list(ctx, p)
	if err != nil {
		return nil, err
	}
	var usage map[string]compose.Usage
	var m Metrics
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		usage, err = p.Usage(ctx)
		return err
	})
	g.Go(func() (err error) {
		m, err = ask(ctx, p, containers, "proxy", "querynode", "rootcoord", "querycoord", "datacoord")
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	now := sampleOf(m, time.Now(), before)
	now.State = stateOf(services, containers, usage)
	return now, nil
}

func sampleOf(m Metrics, at time.Time, before *Sample) *Sample {
	s := &Sample{At: at, metrics: m}
	for _, c := range components {
		s.Registered = append(s.Registered, Count{c.service, int(m.sum(c.coordinator, c.count))})
	}
	for _, k := range kinds {
		r := k.requests(m)
		if before != nil {
			r.PerSecond = k.since(before.metrics, m) / at.Sub(before.At).Seconds()
		}
		s.Requests = append(s.Requests, r)
	}
	s.Searches = searchesOf(m, before)
	return s
}

const requestCount = "milvus_proxy_req_count"

func (k kind) requests(m Metrics) Request {
	r := Request{Kind: k.name}
	for _, f := range k.functions {
		r.Total += int64(m.sum("proxy", requestCount, "function_name", f, "status", "total"))
		r.Failed += int64(m.sum("proxy", requestCount, "function_name", f, "status", "fail"))
	}
	return r
}

// since is how many there were between two looks.
func (k kind) since(before, now Metrics) float64 {
	var total float64
	for _, f := range k.functions {
		total += now.increase(before, "proxy", requestCount, "function_name", f, "status", "total")
	}
	return total
}

func searchesOf(m Metrics, before *Sample) Searches {
	const latency = "milvus_querynode_sq_req_latency"
	labels := []string{"query_type", "search", "scope", "OnLeader"}
	d := m.distribution("querynode", latency, labels...)
	if before != nil {
		d = m.distributionSince(before.metrics, "querynode", latency, labels...)
	}
	return Searches{int64(d.count), d.mean(), d.quantile(0.99)}
}
