package cluster

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"golang.org/x/sync/errgroup"

	"migrate/internal/ops/compose"
)

// Metrics are the metrics of Milvus' roles, by service and container.
type Metrics map[string]map[string]Exposition

// Exposition is what one container says of itself.
type Exposition map[string]*dto.MetricFamily

// Each question is a process and a request: so many are under way at once, and each may take so long.
const (
	atOnce     = 4
	askTimeout = 10 * time.Second
)

// ask asks each healthy container of some services for its metrics. One that does not answer is left out: that it is not well
// is seen elsewhere.
func ask(ctx context.Context, p Platform, containers []compose.Container, services ...string) (Metrics, error) {
	asked := slices.DeleteFunc(slices.Clone(containers), func(c compose.Container) bool {
		return !c.Healthy() || !slices.Contains(services, c.Service)
	})
	answers := make([]Exposition, len(asked))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, c := range asked {
		g.Go(func() (err error) {
			answers[i], err = askOne(ctx, p, c)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	found := Metrics{}
	for i, c := range asked {
		if answers[i] != nil {
			found.add(c, answers[i])
		}
	}
	return found, ctx.Err()
}

func (m Metrics) add(c compose.Container, e Exposition) {
	if m[c.Service] == nil {
		m[c.Service] = map[string]Exposition{}
	}
	m[c.Service][c.ID] = e
}

// askOne is nil where the container does not answer.
func askOne(ctx context.Context, p Platform, c compose.Container) (Exposition, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	text, err := p.Metrics(ctx, c)
	if err != nil {
		return nil, nil
	}
	return parse(text)
}

func parse(text []byte) (Exposition, error) {
	found, err := new(expfmt.TextParser).TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	return found, nil
}

// sum adds up a counter or gauge over all containers of a service, of the series that have these labels.
func (m Metrics) sum(service, name string, labels ...string) float64 {
	var total float64
	for _, e := range m[service] {
		total += e.sum(name, labels)
	}
	return total
}

// increase is by how much a counter rose since an earlier look, over the containers that are in both: one that was missing
// brings along all that it ever counted. One that counts less was started anew, and is left out too.
func (m Metrics) increase(earlier Metrics, service, name string, labels ...string) float64 {
	var total float64
	for id, e := range m[service] {
		if before, ok := earlier[service][id]; ok {
			total += max(e.sum(name, labels)-before.sum(name, labels), 0)
		}
	}
	return total
}

func (e Exposition) sum(name string, labels []string) float64 {
	var total float64
	for _, series := range e[name].GetMetric() {
		if has(series, labels) {
			total += series.GetCounter().GetValue() + series.GetGauge().GetValue() + series.GetUntyped().GetValue()
		}
	}
	return total
}

// has tells whether a series has labels, given as name, value, name, value.
func has(series *dto.Metric, labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		found := false
		for _, l := range series.GetLabel() {
			found = found || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
		}
		if !found {
			return false
		}
	}
	return true
}

// distribution is a histogram, of one container or of several.
type distribution struct {
	count  uint64
	sum    float64
	bucket map[float64]uint64 // how many were at most so much
}

// distribution adds up a histogram over all containers of a service, of the series that have these labels.
func (m Metrics) distribution(service, name string, labels ...string) distribution {
	all := distribution{bucket: map[float64]uint64{}}
	for _, e := range m[service] {
		all.add(e.distribution(name, labels))
	}
	return all
}

// distributionSince is what came since an earlier look, over the containers that count for increase.
func (m Metrics) distributionSince(earlier Metrics, service, name string, labels ...string) distribution {
	all := distribution{bucket: map[float64]uint64{}}
	for id, e := range m[service] {
		if before, ok := earlier[service][id]; ok {
			all.add(e.distribution(name, labels).since(before.distribution(name, labels)))
		}
	}
	return all
}

func (e Exposition) distribution(name string, labels []string) distribution {
	d := distribution{bucket: map[float64]uint64{}}
	for _, series := range e[name].GetMetric() {
		if !has(series, labels) {
			continue
		}
		d.count += series.GetHistogram().GetSampleCount()
		d.sum += series.GetHistogram().GetSampleSum()
		for _, b := range series.GetHistogram().GetBucket() {
			if bound := b.GetUpperBound(); !math.IsInf(bound, 1) {
				d.bucket[bound] += b.GetCumulativeCount()
			}
		}
	}
	return d
}

func (d *distribution) add(other distribution) {
	d.count += other.count
	d.sum += other.sum
	for bound, n := range other.bucket {
		d.bucket[bound] += n
	}
}

// since is what came after an earlier one: nothing where it counts less, since then it was begun anew.
func (d distribution) since(earlier distribution) distribution {
	if d.count < earlier.count {
		return distribution{}
	}
	later := distribution{count: d.count - earlier.count, sum: d.sum - earlier.sum, bucket: map[float64]uint64{}}
	for bound, n := range d.bucket {
		later.bucket[bound] = n - min(n, earlier.bucket[bound])
	}
	return later
}

func (d distribution) mean() float64 { return d.sum / math.Max(float64(d.count), 1) }

// quantile is the smallest bound that a share of the values is within: the largest one that there is where even that is too
// small, and 0 without a value.
func (d distribution) quantile(share float64) float64 {
	if d.count == 0 {
		return 0
	}
	var bound float64
	for _, bound = range slices.Sorted(maps.Keys(d.bucket)) {
		if float64(d.bucket[bound]) >= share*float64(d.count) {
			break
		}
	}
	return bound
}
