package milvus

import (
	"errors"
	"net/http"
	"reflect"
	"testing"
)

// segmentsOf25 is an answer of 2.5.
const segmentsOf25 = `{"code": 0, "data": {"segmentInfos": [
	{"segmentID": 4, "collectionID": 1, "partitionID": 2, "vChannel": "c_1v0", "numRows": 2, "state": 4, "level": 2, "isSorted": true,
		"insertLogs": [{"fieldID": 0, "logIDs": [12, 11]}, {"fieldID": 1, "logIDs": [13, 14]}, {"fieldID": 100, "logIDs": [15, 16]}],
		"deltaLogs": [{"fieldID": 0, "logIDs": [17]}], "statsLogs": [{"fieldID": 100, "logIDs": [18]}]},
	{"segmentID": 5, "state": 4, "level": 1, "insertLogs": [], "deltaLogs": [{"fieldID": 0, "logIDs": [19, 20]}], "statsLogs": []},
	{"segmentID": 6, "state": 6, "insertLogs": [{"fieldID": 0, "logIDs": [21]}]}]}}`

func serverOf(version string, jobs *ImportJobs) *Server {
	s := &Server{connection: &connection{}, jobs: jobs}
	s.said.Store(&said{version: version, can: capabilitiesOf(version)})
	return s
}

// TestSegmentLogs reads what a server of 2.5.7 or later tells of the logs of segments.
func TestSegmentLogs(t *testing.T) {
	jobs, a := jobsAt(t, Config{Database: "books"}, text(http.StatusOK, segmentsOf25))
	logs, err := serverOf("v2.5.10", jobs).SegmentLogs(t.Context(), 1, []int64{4, 5, 6})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int64]SegmentLogs{
		4: {Inserts: map[int64][]int64{0: {11, 12}, 1: {13, 14}, 100: {15, 16}}, Deletes: []int64{17}},
		5: {Inserts: map[int64][]int64{}, Deletes: []int64{19, 20}},
	}
	if !reflect.DeepEqual(logs, want) {
		t.Errorf("%v, want %v", logs, want)
	}
	q := a.questions()[0]
	if body := `{"collectionID":1,"dbName":"books","segmentIDs":[4,5,6]}`; q.path != "/v2/vectordb/segments/describe" || q.body != body {
		t.Errorf("%s was asked with %s, want %s", q.path, q.body, body)
	}
}

// TestSegmentLogsGone leaves out a segment that is not there any more, and asks for the others.
func TestSegmentLogsGone(t *testing.T) {
	gone := text(http.StatusOK, `{"code": 600, "message": "segment not found[segment=7]"}`)
	jobs, _ := jobsAt(t, Config{}, gone, gone, text(http.StatusOK, segmentsOf25))
	logs, err := serverOf("v2.5.10", jobs).SegmentLogs(t.Context(), 1, []int64{7, 4})
	if err != nil || len(logs) != 2 {
		t.Errorf("%v, %v", logs, err)
	}
}

// TestSegmentLogsUntold knows the versions that tell nothing, and what is no REST API.
func TestSegmentLogsUntold(t *testing.T) {
	for _, version := range []string{"v2.3.5", "v2.4.20", "v2.5.6"} {
		jobs, a := jobsAt(t, Config{}, text(http.StatusOK, segmentsOf25))
		if logs, err := serverOf(version, jobs).SegmentLogs(t.Context(), 1, []int64{4}); logs != nil || err != nil || len(a.questions()) > 0 {
			t.Errorf("%s: %v, %v", version, logs, err)
		}
	}
	jobs, _ := jobsAt(t, Config{}, text(http.StatusNotFound, "404 page not found"))
	if _, err := serverOf("v2.5.7", jobs).SegmentLogs(t.Context(), 1, []int64{4}); !errors.Is(err, ErrNoREST) {
		t.Errorf("no REST API: %v", err)
	}
}
