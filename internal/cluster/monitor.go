package cluster

import (
	"context"
	"time"

	"migrate/internal/compose"
)

// A Sample is what is to be seen of the cluster at one time.
type Sample struct {
	At time.Time `json:"at"`
	*State
	Registered []Count   `json:"registered"`
	Requests   []Request `json:"requests"`
	Searches   Searches  `json:"query_node_searches"`

	distribution distribution
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

// kinds are the requests that are shown.
var kinds = []string{"Search", "Query", "Insert", "Upsert", "Delete", "Import"}

// Watch takes a sample. Rates are those since the one before, which may be nil.
func Watch(ctx context.Context, p *compose.Project, before *Sample) (*Sample, error) {
	state, err := Standing(ctx, p)
	if err != nil {
		return nil, err
	}
	containers, err := p.Containers(ctx)
	if err != nil {
		return nil, err
	}
	m, err := ask(ctx, p, containers, "proxy", "querynode", "rootcoord", "querycoord", "datacoord")
	if err != nil {
		return nil, err
	}
	now := sampleOf(m, time.Now(), before)
	now.State = state
	return now, nil
}

func sampleOf(m Metrics, at time.Time, before *Sample) *Sample {
	s := &Sample{At: at}
	for _, c := range components {
		s.Registered = append(s.Registered, Count{c.service, int(m.sum(c.coordinator, c.count))})
	}
	for i, kind := range kinds {
		r := Request{Kind: kind, Total: int64(m.sum("proxy", "milvus_proxy_req_count", "function_name", kind, "status", "total"))}
		r.Failed = int64(m.sum("proxy", "milvus_proxy_req_count", "function_name", kind, "status", "fail"))
		if before != nil {
			r.PerSecond = max(float64(r.Total-before.Requests[i].Total), 0) / at.Sub(before.At).Seconds()
		}
		s.Requests = append(s.Requests, r)
	}
	s.distribution = m.distribution("querynode", "milvus_querynode_sq_req_latency", "query_type", "search", "scope", "OnLeader")
	shown := s.distribution
	if before != nil {
		shown = shown.since(before.distribution)
	}
	s.Searches = Searches{int64(shown.count), shown.mean(), shown.quantile(0.99)}
	return s
}
