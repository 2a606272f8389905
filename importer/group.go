package importer

import (
	"context"
	"fmt"
	"slices"

	"migrate/checkpoint"
)

// group is the parts that one bulk-insert job brings, by their places in the checkpoint. Where a job takes one file, it is
// a group of one.
type group []int

// jobBytes bounds what one job brings: so much is staged for it at a time, and imported again when it fails.
const jobBytes = 4 << 30

// groups puts together what a job of an interrupted run brings, and what the jobs to come are to bring: parts of one
// partition, each job a fair share of all that is to be done.
func groups(parts []checkpoint.Part, filesPerJob, jobs int) []group {
	todo := inState(parts, checkpoint.Todo)
	share := min(filesPerJob, (len(todo)+jobs-1)/jobs)
	made := gather(inState(parts, checkpoint.Submitted), func(g group, i int) bool {
		return parts[g[0]].Task == parts[i].Task
	})
	return append(made, gather(todo, func(g group, i int) bool {
		bytes := parts[i].Bytes
		for _, k := range g {
			bytes += parts[k].Bytes
		}
		return parts[g[0]].Partition == parts[i].Partition && len(g) < share && bytes <= jobBytes
	})...)
}

// gather puts each part into the first group that it fits in.
func gather(parts group, fits func(g group, i int) bool) []group {
	var made []group
	for _, i := range parts {
		k := slices.IndexFunc(made, func(g group) bool { return fits(g, i) })
		if k < 0 {
			made = append(made, group{i})
			continue
		}
		made[k] = append(made[k], i)
	}
	return made
}

func inState(parts []checkpoint.Part, state checkpoint.PartState) (g group) {
	for i, p := range parts {
		if p.State == state {
			g = append(g, i)
		}
	}
	return g
}

// alone makes each part a group of its own.
func alone(g group) []group {
	return gather(g, func(group, int) bool { return false })
}

func (im *importing) part(i int) checkpoint.Part { return im.job.Job().Parts[i] }

// update changes the parts of a group in the checkpoint, all or none of them.
func (im *importing) update(ctx context.Context, g group, change func(*checkpoint.Part)) error {
	return im.job.Update(ctx, func(j *checkpoint.Job) {
		for _, i := range g {
			change(&j.Parts[i])
		}
	})
}

func (im *importing) stagedNames(g group) []string {
	names := make([]string, len(g))
	for k, i := range g {
		names[k] = im.part(i).Staged
	}
	return names
}

// files are the staged objects of a group, as bulk insert is told of them.
func (im *importing) files(g group) []string {
	files := im.stagedNames(g)
	for k, name := range files {
		files[k] = im.staging.Key(name)
	}
	return files
}

func (im *importing) rowsOf(g group) (rows int64) {
	for _, i := range g {
		rows += im.part(i).Rows.Rows
	}
	return rows
}

func (im *importing) progress(g group) {
	for _, i := range g {
		im.opts.Progress(im.part(i).Rows.Rows, im.part(i).Bytes)
	}
}

// inWords names a group in an error.
func (im *importing) inWords(g group) string {
	if len(g) == 1 {
		return im.part(g[0]).Object
	}
	return fmt.Sprintf("%s and %d more", im.part(g[0]).Object, len(g)-1)
}
