package memory

//lint:file-ignore SA1019 servers of 2.3 tell some errors by these codes alone

import (
	"context"
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	arrowmemory "github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"

	"migrate/internal/model"
)

// task is the bulk insert of one file. It waits until it is first asked for.
type task struct {
	collection, partition, file string

	state  commonpb.ImportState
	reason string // why it failed
	rows   int64
}

// Import makes a task of each file. Options are looked at before anything else.
func (s *Server) Import(_ context.Context, q *milvuspb.ImportRequest) (*milvuspb.ImportResponse, error) {
	for _, option := range q.Options {
		if _, err := strconv.ParseUint(option.Value, 10, 64); option.Key == "start_ts" && err != nil {
			return &milvuspb.ImportResponse{Status: &commonpb.Status{Code: 65535, Reason: err.Error()}}, nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(q.CollectionName)
	resp := &milvuspb.ImportResponse{Status: st}
	if c == nil {
		return resp, nil
	}
	if len(q.Files) == 0 {
		resp.Status = &commonpb.Status{Code: 65535, Reason: "no file"}
	}
	for _, f := range q.Files {
		s.tasks = append(s.tasks, &task{collection: q.CollectionName, partition: q.PartitionName, file: f, state: commonpb.ImportState_ImportPending})
		resp.Tasks = append(resp.Tasks, int64(len(s.tasks)))
	}
	return resp, nil
}

// GetImportState has a task go on, and tells how it stands.
func (s *Server) GetImportState(ctx context.Context, q *milvuspb.GetImportStateRequest) (*milvuspb.GetImportStateResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.Task < 1 || q.Task > int64(len(s.tasks)) {
		return &milvuspb.GetImportStateResponse{Status: &commonpb.Status{Code: 65535, Reason: fmt.Sprintf("import task %d: key not found", q.Task)}}, nil
	}
	t := s.tasks[q.Task-1]
	s.run(ctx, t)
	return t.told(q.Task), nil
}

// ListImportTasks tells how those of a collection stand.
func (s *Server) ListImportTasks(_ context.Context, q *milvuspb.ListImportTasksRequest) (*milvuspb.ListImportTasksResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resp := &milvuspb.ListImportTasksResponse{Status: &commonpb.Status{}}
	for i, t := range s.tasks {
		if q.CollectionName == "" || t.collection == q.CollectionName {
			resp.Tasks = append(resp.Tasks, t.told(int64(i+1)))
		}
	}
	return resp, nil
}

func (t *task) told(id int64) *milvuspb.GetImportStateResponse {
	return &milvuspb.GetImportStateResponse{Status: &commonpb.Status{}, Id: id, State: t.state, RowCount: t.rows, Infos: []*commonpb.KeyValuePair{
		{Key: "files", Value: t.file}, {Key: "failed_reason", Value: t.reason},
	}}
}

// run has a task go on: it begins, and is done when it is asked for again. s.mu is held.
func (s *Server) run(ctx context.Context, t *task) {
	switch t.state {
	case commonpb.ImportState_ImportPending:
		t.state = commonpb.ImportState_ImportStarted
	case commonpb.ImportState_ImportStarted:
		rows, err := s.bulkInsert(ctx, t.collection, t.partition, t.file)
		t.state, t.rows = commonpb.ImportState_ImportCompleted, rows
		if err != nil {
			t.state, t.reason = commonpb.ImportState_ImportFailed, err.Error()
		}
	}
}

// BulkInsert adds the rows of files in the bucket to a collection, all or none of them, and returns their number.
func (s *Server) BulkInsert(ctx context.Context, collection, partition string, files ...string) (rows int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bulkInsert(ctx, collection, partition, files...)
}

func (s *Server) bulkInsert(ctx context.Context, collection, partition string, files ...string) (int64, error) {
	c, st := s.find(collection)
	if c == nil {
		return 0, fmt.Errorf("%s: %s", collection, st.Reason)
	}
	var recs []arrow.Record
	for _, f := range files {
		read, err := s.read(ctx, f)
		if err != nil {
			return 0, err
		}
		recs = append(recs, read...)
	}
	var rows int64
	for _, rec := range recs {
		for _, f := range rec.Schema().Fields() {
			if err := c.refuseComputed(f.Name); err != nil {
				return 0, err
			}
		}
		if model.AutoID(c.Schema) {
			key := c.layout.Arrow.Field(c.layout.Key)
			switch has := rec.Schema().HasField(key.Name); {
			case has && !s.importsAutoIDs(c):
				return 0, fmt.Errorf("the primary key %q is given by the server, and need not be provided", key.Name)
			case !has:
				rec = s.withKeys(rec, key)
			}
		}
		numbers := make([]int, rec.NumRows())
		for i := range numbers {
			numbers[i] = i
		}
		data, err := c.written.Encode(rec, numbers)
		if err != nil {
			return 0, err
		}
		if s.since("2.5") {
			c.loseEmpty(data)
		}
		written, err := s.decode(c, data)
		if err != nil {
			return 0, err
		}
		before := len(c.rows)
		c.insert(written, partition, sealed, s.tick())
		for i := range c.rows[before:] {
			c.rows[before+i].unseen = s.Lags
		}
		rows += rec.NumRows()
	}
	return rows, nil
}

func (s *Server) read(ctx context.Context, name string) (recs []arrow.Record, err error) {
	if s.Bucket == nil {
		return nil, fmt.Errorf("no such file: %s", name)
	}
	obj, err := s.Bucket.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	parquet, err := file.NewParquetReader(obj) // whose Close closes the object
	if err != nil {
		return nil, err
	}
	defer parquet.Close()
	reader, err := pqarrow.NewFileReader(parquet, pqarrow.ArrowReadProperties{BatchSize: 4096}, arrowmemory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	table, err := reader.ReadTable(ctx)
	if err != nil {
		return nil, err
	}
	for batches := array.NewTableReader(table, 0); batches.Next(); {
		rec := batches.Record()
		rec.Retain()
		recs = append(recs, rec)
	}
	return recs, nil
}

// withKeys gives rows keys that no other has, as the server does itself. They must have none.
func (s *Server) withKeys(rec arrow.Record, key arrow.Field) arrow.Record {
	keys := array.NewInt64Builder(arrowmemory.DefaultAllocator)
	for range rec.NumRows() {
		keys.Append(int64(s.tick()))
	}
	fields := append(rec.Schema().Fields(), key)
	return array.NewRecord(arrow.NewSchema(fields, nil), append(rec.Columns(), keys.NewArray()), rec.NumRows())
}
