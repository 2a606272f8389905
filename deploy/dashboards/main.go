// Command dashboards writes the Grafana dashboards of deploy/compose:
//
//	go run ./deploy/dashboards deploy/compose/monitoring/grafana/dashboards
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dashboards FOLDER")
		os.Exit(2)
	}
	if err := writeAll(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
}

// writeAll writes every dashboard into the folder, by its name.
func writeAll(folder string) error {
	for _, b := range boards {
		text, err := b.json()
		if err != nil {
			return fmt.Errorf("building dashboard %s: %w", b.name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, b.name+".json"), text, 0o644); err != nil {
			return fmt.Errorf("writing dashboard %s: %w", b.name, err)
		}
	}
	return nil
}

// A board is one dashboard: rows of panels.
type board struct {
	name  string // its file's, and its uid
	title string
	rows  []row
}

type row struct {
	title  string
	panels []panel
}

// A panel shows lines over time.
type panel struct {
	title string
	unit  string
	lines []line
}

// A line is one question to Prometheus; legend names each series of the answer by its labels.
type line struct{ expr, legend string }

// json is the dashboard as Grafana reads it.
func (b board) json() ([]byte, error) {
	//lint:ignore SA1019 the newer schema is read by Grafana 12 and later only
	d := dashboard.NewDashboardBuilder(b.title).Uid(b.name).Tags([]string{"milvus"}).
		Time("now-1h", "now").Refresh("15s").Timezone(common.TimeZoneBrowser).Readonly()
	for _, r := range b.rows {
		d.WithRow(dashboard.NewRowBuilder(r.title))
		for _, p := range r.panels {
			d.WithPanel(p.graph(24 / len(r.panels)))
		}
	}
	built, err := d.Build()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(built, "", "  ")
	return append(text, '\n'), err
}

// graph is the panel with a width of so many of the 24 columns.
func (p panel) graph(width int) *timeseries.PanelBuilder {
	g := timeseries.NewPanelBuilder().Title(p.title).Unit(p.unit).Min(0).
		Span(uint32(width)).Height(8).FillOpacity(10).Datasource(source)
	for i, l := range p.lines {
		g.WithTarget(prometheus.NewDataqueryBuilder().RefId(string(rune('A' + i))).
			Expr(l.expr).LegendFormat(l.legend).Datasource(source))
	}
	return g
}

// source is the data source that deploy/compose provisions.
var source = common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("prometheus")}
