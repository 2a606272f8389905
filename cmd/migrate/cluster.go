package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"migrate/deploy"
	"migrate/internal/clock"
	"migrate/internal/ops/cluster"
)

func newCluster() *cobra.Command {
	return group("cluster", "Start, scale, watch and stop a distributed Milvus, by Docker Compose or as plain processes",
		newClusterInit(), newClusterStart(), newClusterScale(), newClusterMonitor(), newClusterStop())
}

func newClusterInit() *cobra.Command {
	return taking(command("init", "Write a Compose project into a new folder",
		`Writes the Compose files of a distributed Milvus into a new folder, with random credentials in its .env. Overlays add
high availability (ha), a load balancer (lb), Prometheus and Grafana (monitoring), a standalone to try a move with, and migrate
itself.`,
		`  migrate cluster init milvus
  migrate cluster init milvus --overlays lb,monitoring`,
		[]setting{overlays}, runClusterInit), "FOLDER")
}

func runClusterInit(cmd *cobra.Command, c config) error {
	files, err := deploy.ComposeFiles()
	if err != nil {
		return err
	}
	dir := cmd.Flags().Arg(0)
	chosen := strings.FieldsFunc(c.Overlays, func(r rune) bool { return r == ',' || r == ' ' })
	if err := cluster.WriteFiles(cmd.Context(), dir, files, chosen); err != nil {
		return asUsage(err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "wrote %s, with credentials in its .env; next: migrate cluster start --project-dir %s\n", dir, dir)
	return nil
}

func newClusterStart() *cobra.Command {
	return command("start", "Check the machine, start the cluster, and wait until it is healthy",
		`Looks whether Docker, memory (16 GiB), disk (100 GiB free), limits, configuration and ports are fit, and starts nothing if they
are not; --force goes on where only memory or disk are too small. Then starts everything, waits until it is healthy, and shows
state and addresses. Where it runs already, it stays as it is.

With --lab it is a cluster of plain processes in a folder, Milvus 2.3.5, for those who have no Docker: its programs are downloaded,
and MinIO is compiled, by Python, Maven and Go, and memory and disk should be 8 and 10 GiB. It is for trials: its Milvus takes
anybody in who reaches a port of it, and MinIO's password is known to all.`,
		`  migrate cluster start --project-dir milvus
  migrate cluster start --project-dir deploy/compose --force
  migrate cluster start --lab milvus-lab`,
		[]setting{projectDir, labSetting, force}, runClusterStart)
}

// startResult is what --json prints.
type startResult struct {
	Checks []cluster.Finding `json:"checks"`
	*cluster.State
}

func runClusterStart(cmd *cobra.Command, c config) error {
	ctx := cmd.Context()
	platform, err := c.platform(ctx)
	if err != nil {
		return err
	}
	findings, err := platform.Look(ctx)
	if err != nil {
		return err
	}
	fit := cluster.Fit
	if c.Force {
		fit = cluster.FitThoughSmall
	}
	if err := fit(findings); err != nil {
		return errors.Join(c.print(cmd.OutOrStdout(), startResult{Checks: findings}, func(w io.Writer) { c.printFitness(w, findings) }), err)
	}
	c.printFitness(os.Stderr, findings)
	if err := cluster.Start(ctx, platform, os.Stderr); err != nil {
		return err
	}
	state, err := cluster.Standing(ctx, platform)
	if err != nil {
		return err
	}
	return c.print(cmd.OutOrStdout(), startResult{findings, state}, func(w io.Writer) { printState(w, state) })
}

func (c config) printFitness(w io.Writer, findings []cluster.Finding) {
	for _, f := range findings {
		word := "ok"
		switch {
		case f.Small && c.Force, f.Unseen:
			word = "WARN"
		case f.Bad:
			word = "MEND"
		}
		fmt.Fprintf(w, "%-5s %s: %s\n", word, f.What, f.Found)
	}
}

func printState(w io.Writer, s *cluster.State) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SERVICE\tHEALTHY\tCPU\tMEMORY")
	for _, one := range s.Services {
		mark := ""
		if !one.Well() {
			mark = "  NOT WELL"
		}
		fmt.Fprintf(t, "%s\t%d/%d%s\t%.0f %%\t%s\n", one.Service, one.Healthy, one.Wanted, mark, one.CPU*100, size(one.Memory))
	}
	t.Flush()
	for _, e := range s.Endpoints {
		fmt.Fprintf(w, "%s answers at %s\n", e.Service, e.Address)
	}
}

func newClusterScale() *cobra.Command {
	return taking(command("scale", "Change how many there are of a component",
		`Scales proxy, querynode, datanode or indexnode up or down, waits until the new ones are healthy and the coordinator knows as
many, and notes the number in .env, so that the next start keeps it. With --lab it is noted in that folder, and there is room for
four of each.`,
		`  migrate cluster scale querynode 4 --project-dir milvus
  migrate cluster scale querynode 3 --lab milvus-lab`,
		[]setting{projectDir, labSetting}, runClusterScale), "COMPONENT", "REPLICAS")
}

func runClusterScale(cmd *cobra.Command, c config) error {
	ctx, name := cmd.Context(), cmd.Flags().Arg(0)
	replicas, err := strconv.Atoi(cmd.Flags().Arg(1))
	if err != nil {
		return usageError{fmt.Errorf("replicas %q: a whole number", cmd.Flags().Arg(1))}
	}
	if err := cluster.CheckReplicas(name, replicas); err != nil {
		return asUsage(err)
	}
	platform, err := c.platform(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := cluster.Scale(ctx, platform, name, replicas, os.Stderr); err != nil {
		return asUsage(err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d of %s are known to their coordinator, after %.1fs\n", replicas, name, time.Since(began).Seconds())
	return nil
}

// asUsage marks what was wrong with how the command was given.
func asUsage(err error) error {
	if errors.Is(err, cluster.ErrComponent) || errors.Is(err, cluster.ErrOverlay) {
		return usageError{err}
	}
	return err
}

func newClusterMonitor() *cobra.Command {
	return command("monitor", "Show services, components, requests and searches",
		`Shows how many containers, or processes, of each service are healthy and what they take, how many of each component its coordinator knows,
the requests to the proxies, and how long searches take in the query nodes: once, or again and again with --watch, 2 seconds apart.`,
		`  migrate cluster monitor --project-dir milvus --watch
  migrate cluster monitor --lab milvus-lab --json`,
		[]setting{projectDir, labSetting, watch}, runClusterMonitor)
}

func runClusterMonitor(cmd *cobra.Command, c config) error {
	ctx := cmd.Context()
	platform, err := c.platform(ctx)
	if err != nil {
		return err
	}
	var before *cluster.Sample
	for {
		sample, err := cluster.Watch(ctx, platform, before)
		if err != nil {
			return err
		}
		if err := c.print(cmd.OutOrStdout(), sample, func(w io.Writer) { printSample(w, sample) }); err != nil || !c.Watch {
			return err
		}
		before = sample
		if err := clock.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

func printSample(w io.Writer, s *cluster.Sample) {
	fmt.Fprintln(w, s.At.Format(time.TimeOnly))
	printState(w, s.State)
	known := make([]string, len(s.Registered))
	for i, r := range s.Registered {
		known[i] = fmt.Sprintf("%s %d", r.Component, r.Known)
	}
	fmt.Fprintln(w, "known to their coordinators:", strings.Join(known, ", "))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REQUEST\tTOTAL\tFAILED\tPER SECOND")
	for _, r := range s.Requests {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.1f\n", r.Kind, humanize.Comma(r.Total), humanize.Comma(r.Failed), r.PerSecond)
	}
	t.Flush()
	fmt.Fprintf(w, "searches in query nodes: %s, mean %.1f ms, P99 within %.0f ms\n\n", humanize.Comma(s.Searches.Count), s.Searches.Mean, s.Searches.P99)
}

func newClusterStop() *cobra.Command {
	return command("stop", "Stop the cluster; its data stays",
		`Ends and removes the containers, or ends the processes. The data stays, and the next start goes on with it; --wipe removes it
too.`,
		`  migrate cluster stop --project-dir milvus
  migrate cluster stop --project-dir milvus --wipe
  migrate cluster stop --lab milvus-lab`,
		[]setting{projectDir, labSetting, wipe}, runClusterStop)
}

func runClusterStop(cmd *cobra.Command, c config) error {
	ctx := cmd.Context()
	platform, err := c.platform(ctx)
	if err != nil {
		return err
	}
	end, kept := cluster.Stop, "its data is kept"
	if c.Wipe {
		end, kept = cluster.Wipe, "its data is gone"
	}
	if err := end(ctx, platform, os.Stderr); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), "the cluster is stopped, and "+kept)
	return nil
}
