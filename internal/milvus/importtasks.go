package milvus

import (
	"context"
	"fmt"
	"strings"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
)

// ImportTask is a bulk insert of Milvus 2.3, where Capabilities.GRPCImport says that it has them.
type ImportTask struct {
	ID        int64
	State     string // as the server calls it
	Completed bool
	Failed    bool
	Reason    string // why it failed; empty where the server gives none
	Percent   string
	Rows      int64  // that it brought
	File      string // its path in the server's bucket
}

// ErrNoTask: the server does not know a bulk insert, or no longer.
var ErrNoTask = fmt.Errorf("bulk-insert task %w", ErrNotFound)

// Import starts the bulk insert of one file and returns its task. It is made once. No partition is named where it is "".
func (s *Server) Import(ctx context.Context, collection, partition string, files ...string) (task int64, err error) {
	resp, err := s.svc.Import(ctx, &milvuspb.ImportRequest{
		DbName: s.database, CollectionName: collection, PartitionName: partition, Files: files,
	})
	if err != nil {
		return 0, err
	}
	if len(resp.GetTasks()) != 1 {
		return 0, fmt.Errorf("the server made %d tasks of one file", len(resp.GetTasks()))
	}
	return resp.GetTasks()[0], nil
}

// ImportTask asks for one. ErrNoTask where the server does not know it.
func (s *Server) ImportTask(ctx context.Context, id int64) (ImportTask, error) {
	resp, err := s.svc.GetImportState(ctx, &milvuspb.GetImportStateRequest{Task: id})
	if err != nil && strings.Contains(err.Error(), "key not found") {
		return ImportTask{}, fmt.Errorf("%w: %w", ErrNoTask, err)
	}
	if err != nil {
		return ImportTask{}, err
	}
	task := taskOf(resp)
	task.ID = id
	return task, nil
}

// ImportTasks are those of a collection that the server still knows, for 24 hours as a rule.
func (s *Server) ImportTasks(ctx context.Context, collection string) ([]ImportTask, error) {
	resp, err := s.svc.ListImportTasks(ctx, &milvuspb.ListImportTasksRequest{DbName: s.database, CollectionName: collection})
	if err != nil {
		return nil, err
	}
	tasks := make([]ImportTask, len(resp.GetTasks()))
	for i, t := range resp.GetTasks() {
		tasks[i] = taskOf(t)
	}
	return tasks, nil
}

func taskOf(resp *milvuspb.GetImportStateResponse) ImportTask {
	t := ImportTask{ID: resp.GetId(), State: resp.GetState().String(), Rows: resp.GetRowCount()}
	switch resp.GetState() {
	case commonpb.ImportState_ImportCompleted:
		t.Completed = true
	case commonpb.ImportState_ImportFailed, commonpb.ImportState_ImportFailedAndCleaned:
		t.Failed = true
	}
	for _, kv := range resp.GetInfos() {
		switch kv.GetKey() {
		case "failed_reason":
			t.Reason = kv.GetValue()
		case "progress_percent":
			t.Percent = kv.GetValue()
		case "files":
			t.File = kv.GetValue()
		}
	}
	return t
}
