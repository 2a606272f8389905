package milvus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
)

// SegmentLogs are the numbers of the logs of a segment in the storage of its server.
type SegmentLogs struct {
	Inserts map[int64][]int64 // by field, also the two that a server adds, in order
	Deletes []int64
}

// asked is how many segments are asked for at once.
const asked = 100

// SegmentLogs are the logs of flushed segments, as the REST API tells of them from 2.5.7 on (getSegmentsInfo of handler_v2.go in milvus-io/milvus); nil
// of other servers. A segment that is no more, as a compaction has replaced it, is left out.
func (s *Server) SegmentLogs(ctx context.Context, collection int64, segments []int64) (map[int64]SegmentLogs, error) {
	if !s.Capabilities().TellsLogs {
		return nil, nil
	}
	all := make(map[int64]SegmentLogs, len(segments))
	for some := range slices.Chunk(segments, asked) {
		if err := s.describeSegments(ctx, collection, some, all); err != nil {
			return nil, fmt.Errorf("asking for the logs of segments on %s: %w", s.Address, err)
		}
	}
	return all, nil
}

type logsJSON struct {
	FieldID number   `json:"fieldID"`
	LogIDs  []number `json:"logIDs"`
}

func (s *Server) describeSegments(ctx context.Context, collection int64, segments []int64, all map[int64]SegmentLogs) error {
	var data struct {
		Infos []struct {
			ID      number     `json:"segmentID"`
			State   number     `json:"state"`
			Inserts []logsJSON `json:"insertLogs"`
			Deletes []logsJSON `json:"deltaLogs"`
		} `json:"segmentInfos"`
	}
	err := s.jobs.ask(ctx, "segments/describe", "", map[string]any{"collectionID": collection, "segmentIDs": segments}, &data)
	var refused *RESTError
	switch {
	case errors.As(err, &refused) && refused.Code == codeSegmentNotFound && len(segments) > 1:
		half := len(segments) / 2
		return cmp.Or(s.describeSegments(ctx, collection, segments[:half], all), s.describeSegments(ctx, collection, segments[half:], all))
	case refused != nil && refused.Code == codeSegmentNotFound:
		return nil
	case err != nil:
		return err
	}
	for _, info := range data.Infos {
		if commonpb.SegmentState(info.State) != commonpb.SegmentState_Flushed {
			continue
		}
		logs := SegmentLogs{Inserts: map[int64][]int64{}}
		for _, of := range info.Inserts {
			field := int64(of.FieldID)
			logs.Inserts[field] = append(logs.Inserts[field], numbers(of.LogIDs)...)
			slices.Sort(logs.Inserts[field])
		}
		for _, of := range info.Deletes {
			logs.Deletes = append(logs.Deletes, numbers(of.LogIDs)...)
		}
		all[int64(info.ID)] = logs
	}
	return nil
}

func numbers(all []number) []int64 {
	plain := make([]int64, len(all))
	for i, n := range all {
		plain[i] = int64(n)
	}
	return plain
}
