// Package memory is a Milvus for unit tests: collections in memory behind the real protocol, as a client of 2.3, of 2.5 and
// later, or of a Milvus Lite sees them. It knows the filters that migrate writes, and counts the queries that it answers.
//
// A query with the iterator flag is answered in the keys' order. From 2.5 on it ends where the first growing segment is
// through, whatever its limit, and it sees just the instant that it names; the answer to a first query, which names none,
// tells the instant. Without the flag rows come in no order. Of a key with several rows an answer has one, and not always the
// same. All this is what recordings of a real 2.5.10 show. NULLs and defaults are taken and answered as from 2.5 on (nulls.go).
package memory

//lint:file-ignore SA1019 servers of 2.3 tell some errors by these codes alone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"migrate/internal/columns"
	"migrate/internal/labtest"
	"migrate/internal/milvus"
	"migrate/internal/model"
	"migrate/sinks"
)

// Server is a server that runs. Its fields may be set until it has its first collection.
type Server struct {
	Address string
	// Hide are keys that are counted and never returned, in the first collection that has them.
	Hide []model.Key
	// LeavesOut: an answer that meets a key with several rows lacks the rows of another key, as from growing segments of 2.3.
	LeavesOut bool
	// MostRows is how many rows an answer may have: one of more is too large to send. No bound where zero.
	MostRows int
	// Disorder puts n rows of an answer in another order before it is limited, whatever order was asked for; nil: in that order.
	Disorder func(n int, swap func(i, j int))
	// Login is user:password or a token that calls have to bear, where not empty.
	Login string
	// SeenLate is how many counts there are after partitions were loaded, until their rows are seen.
	SeenLate int
	// ResourceGroups are those beside the default one.
	ResourceGroups []string
	// Room is what it tells of its memory and quotas.
	Room Room
	// Bucket is the store that bulk insert reads from; it finds no file where nil.
	Bucket sinks.Sink
	// Lags: what was bulk-inserted is seen after a refreshing load, and not before.
	Lags bool
	// KeepsNulls: what is written as NULL stays so in a nullable field with a default, as if that had come later.
	KeepsNulls bool
	// Unsealed: queries find what was flushed in growing segments, as they do for some seconds, until it is compacted or sorted.
	Unsealed bool
	// Moved is called before each query is answered, when the server is not busy: a place to write from.
	Moved func()

	milvuspb.UnimplementedMilvusServiceServer
	stop        func()
	listener    *net.TCPListener
	mu          sync.Mutex
	watched     func(ctx context.Context, method string)
	denied      []string
	loading     int // times that it knows of no replicas
	told        func(method string) error
	granted     map[string][]string // all the same, by the names of collections
	version     string
	time        uint64
	databases   []string
	collections map[string]*collection              // by what they are called here
	properties  map[string][]*commonpb.KeyValuePair // of databases
	access      access
	tasks       []*task
	queries     int
	counts      int
}

type collection struct {
	*model.Collection
	layouts
	rows     []row
	released map[string]bool // partitions that are not loaded
	late     map[string]int  // those that are, and how many counts do not see their rows yet
	replicas int
	groups   []string // in which they are
	lastID   int64    // that it gave
}

type row struct {
	key       model.Key
	in        *batch
	at        int // in it
	partition string
	segment   segment
	stored    int64 // the id of its segment
	unseen    bool  // until the collection is loaded again, and told to look
	written   uint64
	deleted   uint64 // 0 where it is not
}

// segment is what kind of segment a row is in.
type segment int

const (
	sealed segment = iota
	growing
)

// batch are the rows of one call.
type batch struct {
	rows  arrow.Record
	key   string                 // the name of its field
	named map[string][]model.Key // the fields that a filter may name
}

// value is that of a field that a filter may name.
func (r *row) value(field string) model.Key {
	if field == r.in.key {
		return r.key
	}
	if all := r.in.named[field]; all != nil {
		return all[r.at]
	}
	return model.Key{}
}

// Start starts a server of a version, until the test ends.
func Start(t testing.TB, version string) *Server {
	t.Helper()
	s := &Server{version: version, time: uint64(time.Now().UnixMilli()) << 18, collections: map[string]*collection{}, databases: []string{milvus.DefaultDatabase}}
	s.properties, s.access = map[string][]*commonpb.KeyValuePair{}, newAccess()
	s.listener = listen(t)
	s.Address, s.stop = s.listener.Addr().String(), serve(t, s.listener, s, grpc.ChainUnaryInterceptor(s.permit, s.locate))
	return s
}

func listen(t testing.TB) *net.TCPListener {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// serve serves the protocol until the test ends, or it is stopped.
func serve(t testing.TB, listener net.Listener, with milvuspb.MilvusServiceServer, opts ...grpc.ServerOption) (stop func()) {
	t.Helper()
	server := grpc.NewServer(append(opts, grpc.ChainUnaryInterceptor(admit))...)
	milvuspb.RegisterMilvusServiceServer(server, with)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	stop = sync.OnceFunc(func() {
		server.Stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("the server in memory ended: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// permit refuses what the user has no right to, before anything else is looked at.
func (s *Server) permit(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	method := path.Base(info.FullMethod)
	watch, denied, told := s.arrive()
	watch(ctx, method)
	if p := milvus.Privilege(req); slices.Contains(denied, p) && !s.grantedTo(req, p) || slices.Contains(denied, p+" "+collectionOf(req)) {
		return nil, status.Errorf(codes.PermissionDenied, "Privilege%s: permission deny to tester", p)
	}
	answer, err := handle(ctx, req)
	if err == nil && told != nil {
		err = told(method)
	}
	return answer, err
}

// collectionOf is the collection that a call names; empty where it names none.
func collectionOf(req any) string {
	if of, ok := req.(interface{ GetCollectionName() string }); ok {
		return of.GetCollectionName()
	}
	return ""
}

// arrive orders a call after what was done to the server before it was asked by another process, which no connection shows to the race
// detector. It returns what watches the call, the privileges that are denied, and what is to be called once it was answered.
func (s *Server) arrive() (watch func(ctx context.Context, method string), denied []string, told func(method string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watched == nil {
		return func(context.Context, string) {}, s.denied, s.told
	}
	return s.watched, s.denied, s.told
}

// TakeBack takes the row away that was inserted last, as though it had never been there.
func (s *Server) TakeBack(collection string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, _ := s.find(collection)
	c.rows = c.rows[:len(c.rows)-1]
}

// Answer has f be called when a call was answered, by its method: its error, of a gRPC status, takes the place of the answer.
func (s *Server) Answer(f func(method string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = f
}

// Deny takes privileges, by the names that they are granted by, from the user: "Import", or "Import docs" to one collection; all others the
// user has.
func (s *Server) Deny(privileges ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = privileges
}

// Grant gives privileges back to collections of one name.
func (s *Server) Grant(collection string, privileges ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.granted == nil {
		s.granted = map[string][]string{}
	}
	s.granted[collection] = append(s.granted[collection], privileges...)
}

// grantedTo reports whether a privilege is granted to the collection that a call names.
func (s *Server) grantedTo(req any, privilege string) bool {
	m := req.(proto.Message).ProtoReflect()
	f := m.Descriptor().Fields().ByName("collection_name")
	if f == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.granted[own(m.Get(f).String())], privilege)
}

// Watch has f be called as each call arrives, by its method, before anything is done of it. Its context ends with its caller.
func (s *Server) Watch(f func(ctx context.Context, method string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched = f
}

// Hold holds the calls that are to be held, until the gate is opened.
func (s *Server) Hold(held func(method string) bool) *labtest.Gate {
	gate := labtest.NewGate()
	s.Watch(func(ctx context.Context, method string) {
		if held(method) {
			gate.Pass(ctx)
		}
	})
	return gate
}

// Steadily has something done at a steady rate, each time before the next call that arrives: who asks never finds the server still for
// longer, however slow this machine is. It returns what ends that.
func (s *Server) Steadily(every time.Duration, do func()) (stop func()) {
	var mu sync.Mutex
	last := time.Now()
	s.Watch(func(context.Context, string) {
		mu.Lock()
		defer mu.Unlock()
		if do != nil && time.Since(last) >= every {
			do()
			last = time.Now()
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		do = nil
	}
}

// Upgrade stops the server, and starts it again at its address, which nobody else can take meanwhile, as one of another version.
func (s *Server) Upgrade(t testing.TB, version string) {
	t.Helper()
	socket, err := s.listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	kept, err := net.FileListener(socket)
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.mu.Lock()
	s.version = version
	s.mu.Unlock()
	s.listener = kept.(*net.TCPListener)
	s.stop = serve(t, s.listener, s, grpc.ChainUnaryInterceptor(s.permit, s.locate))
}

// Client is a connection to the server.
func (s *Server) Client(t testing.TB) *milvus.Server {
	t.Helper()
	c, err := milvus.Connect(context.WithoutCancel(t.Context()), milvus.Config{Address: s.Address, Token: s.Login, RetryFor: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Add adds a collection, which is loaded, and its database where that is not there.
func (s *Server) Add(t testing.TB, c *model.Collection) {
	t.Helper()
	l, err := layoutsOf(c.Schema)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lacksDatabase(c.Database) != nil {
		s.databases = append(s.databases, c.Database)
	}
	within := *c
	within.Name = Within(c.Database, c.Name)
	s.add(&within, l)
}

// add adds a collection; s.mu is held.
func (s *Server) add(c *model.Collection, l layouts) {
	copied := *c
	copied.ID = rand.Int64() // no two servers give the same one
	if len(copied.Partitions) == 0 {
		copied.Partitions = []string{model.DefaultPartition}
	}
	s.collections[c.Name] = &collection{Collection: &copied, layouts: l, released: map[string]bool{}, late: map[string]int{}}
}

// Collections are the names of all.
func (s *Server) Collections() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.collections))
}

// Sealed inserts rows into a sealed segment.
func (s *Server) Sealed(t testing.TB, name string, rows labtest.Rows) {
	s.insert(t, name, rows, sealed)
}

// Growing inserts rows into a growing segment.
func (s *Server) Growing(t testing.TB, name string, rows labtest.Rows) {
	s.insert(t, name, rows, growing)
}

func (s *Server) insert(t testing.TB, name string, rows labtest.Rows, into segment) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.write(s.collections[name], rows.N, rows.Columns, "", into, s.tick()); err != nil {
		t.Fatal(err)
	}
}

// Asked is how many queries were answered since it was last called: those for rows, and those for counts.
func (s *Server) Asked() (rows, counts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, counts = s.queries, s.counts
	s.queries, s.counts = 0, 0
	return rows, counts
}

// tick is the next timestamp; s.mu is held.
func (s *Server) tick() uint64 {
	s.time++
	return s.time
}

// write inserts rows that come in a call; s.mu is held.
func (s *Server) write(c *collection, n int, data []*schemapb.FieldData, partition string, into segment, at uint64) ([]model.Key, error) {
	for _, d := range data {
		if err := c.refuseComputed(d.FieldName); err != nil {
			return nil, err
		}
	}
	if s.since("2.5") {
		if err := c.takes(n, data); err != nil {
			return nil, err
		}
	}
	rec, err := s.decode(c, c.withKeys(n, data))
	if err != nil {
		return nil, err
	}
	return c.insert(rec, partition, into, at), nil
}

func (c *collection) insert(rec arrow.Record, partition string, into segment, at uint64) []model.Key {
	keys, in := c.layout.Keys(rec), &batch{rec, c.layout.Arrow.Field(c.layout.Key).Name, map[string][]model.Key{}}
	for _, f := range c.Schema.Fields {
		if f.DataType == schemapb.DataType_Int64 || f.DataType == schemapb.DataType_VarChar {
			in.named[f.Name] = columns.KeysOf(rec, f.Name)
		}
	}
	if partition == "" {
		partition = model.DefaultPartition
	}
	for i, k := range keys {
		c.rows = append(c.rows, row{key: k, in: in, at: i, partition: partition, segment: into, stored: int64(at), written: at})
	}
	return keys
}

// refuseComputed refuses a column that a function computes: in a file, it would end a data node of 2.5.10.
func (c *collection) refuseComputed(name string) error {
	for _, f := range c.Schema.Fields {
		if f.Name == name && model.IsComputed(c.Schema, f) {
			return fmt.Errorf("field %q is computed by a function", name)
		}
	}
	return nil
}

// withKeys adds the keys where the collection gives them and none came.
func (c *collection) withKeys(n int, data []*schemapb.FieldData) []*schemapb.FieldData {
	key := c.Schema.Fields[slices.IndexFunc(c.Schema.Fields, (*schemapb.FieldSchema).GetIsPrimaryKey)]
	given := slices.ContainsFunc(data, func(d *schemapb.FieldData) bool { return d.FieldName == key.Name })
	if !key.AutoID || given {
		return data
	}
	c.lastID += int64(n)
	if key.DataType == schemapb.DataType_VarChar {
		return append(slices.Clone(data), labtest.Column(key, labtest.Each(n, func(i int) string { return strconv.FormatInt(c.lastID-int64(i), 10) })))
	}
	return append(slices.Clone(data), labtest.Column(key, labtest.Each(n, func(i int) int64 { return c.lastID - int64(i) })))
}

// givesKeys reports whether a call brings keys of auto ids.
func (c *collection) givesKeys(data []*schemapb.FieldData) bool {
	key := model.PrimaryKey(c.Schema)
	return key.AutoID && slices.ContainsFunc(data, func(d *schemapb.FieldData) bool { return d.FieldName == key.Name })
}

// withNewKeys has the collection give keys in the place of those that came, which are returned too.
func (c *collection) withNewKeys(n int, data []*schemapb.FieldData) (own []*schemapb.FieldData, came []model.Key) {
	key := model.PrimaryKey(c.Schema)
	for _, d := range data {
		if d.FieldName != key.Name {
			own = append(own, d)
			continue
		}
		for _, k := range d.GetScalars().GetLongData().GetData() {
			came = append(came, model.IntKey(k))
		}
		for _, k := range d.GetScalars().GetStringData().GetData() {
			came = append(came, model.TextKey(k))
		}
	}
	return c.withKeys(n, own), came
}

// takesAutoIDs reports whether inserts into a collection may bring keys that it gives otherwise; s.mu is held.
func (s *Server) takesAutoIDs(c *collection) bool {
	return s.lite() || model.ToMap(c.Properties)["allow_insert_auto_id"] == "true" && (s.is(2, 5, 19) || s.from(2, 6, 3))
}

// importsAutoIDs reports whether files may; s.mu is held. Of what 2.6.3 does with such a file nothing is known: it is refused.
func (s *Server) importsAutoIDs(c *collection) bool {
	return s.takesAutoIDs(c) && !s.lite() && s.numbers() != [3]int{2, 6, 3}
}

func (s *Server) find(name string) (*collection, *commonpb.Status) {
	if c, ok := s.collections[name]; ok {
		return c, &commonpb.Status{}
	}
	for _, c := range s.collections {
		if slices.Contains(c.Aliases, name) {
			return c, &commonpb.Status{}
		}
	}
	return nil, &commonpb.Status{ErrorCode: commonpb.ErrorCode_CollectionNotExists, Code: 100, Reason: "collection not found"}
}

// Connect tells the version.
func (s *Server) Connect(context.Context, *milvuspb.ConnectRequest) (*milvuspb.ConnectResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &milvuspb.ConnectResponse{Status: &commonpb.Status{}, ServerInfo: &commonpb.ServerInfo{BuildTags: s.greeting()}}, nil
}

// DescribeCollection describes one.
func (s *Server) DescribeCollection(_ context.Context, q *milvuspb.DescribeCollectionRequest) (*milvuspb.DescribeCollectionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(q.CollectionName)
	if c == nil {
		return &milvuspb.DescribeCollectionResponse{Status: st}, nil
	}
	schema := model.CloneSchema(c.Schema)
	schema.Name = own(c.Name)
	return &milvuspb.DescribeCollectionResponse{
		Status: st, Schema: schema, CollectionID: c.ID, ShardsNum: max(c.Shards, 1), CollectionName: own(c.Name), Properties: c.Properties,
		ConsistencyLevel: c.ConsistencyLevel, Aliases: owns(c.Aliases),
	}, nil
}

// ShowPartitions lists them.
func (s *Server) ShowPartitions(_ context.Context, q *milvuspb.ShowPartitionsRequest) (*milvuspb.ShowPartitionsResponse, error) {
	if err := s.lacks(Lite25, "ShowPartitions"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(q.CollectionName)
	if c == nil {
		return &milvuspb.ShowPartitionsResponse{Status: st}, nil
	}
	names := slices.Clone(c.Partitions)
	if q.Type == milvuspb.ShowType_InMemory {
		names = c.inMemory()
	}
	resp := &milvuspb.ShowPartitionsResponse{Status: st, PartitionNames: names}
	for _, name := range names {
		resp.PartitionIDs = append(resp.PartitionIDs, c.partitionID(name))
	}
	return resp, nil
}

// partitionID is the number of a partition, which segments are known by.
func (c *collection) partitionID(name string) int64 {
	return int64(1 + slices.Index(c.Partitions, name))
}

// DescribeIndex describes those of a collection.
func (s *Server) DescribeIndex(_ context.Context, q *milvuspb.DescribeIndexRequest) (*milvuspb.DescribeIndexResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(q.CollectionName)
	resp := &milvuspb.DescribeIndexResponse{Status: st}
	if c == nil {
		return resp, nil
	}
	for _, x := range c.Indexes {
		resp.IndexDescriptions = append(resp.IndexDescriptions, &milvuspb.IndexDescription{IndexName: x.Name, FieldName: x.Field, Params: x.Params, State: commonpb.IndexState_Finished})
	}
	return resp, nil
}

// GetCollectionStatistics counts the rows of all segments, deleted ones too.
func (s *Server) GetCollectionStatistics(_ context.Context, q *milvuspb.GetCollectionStatisticsRequest) (*milvuspb.GetCollectionStatisticsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(q.CollectionName)
	resp := &milvuspb.GetCollectionStatisticsResponse{Status: st}
	if c != nil {
		resp.Stats = []*commonpb.KeyValuePair{{Key: "row_count", Value: strconv.Itoa(len(c.rows))}}
	}
	return resp, nil
}

// AllocTimestamp is the present, which no Milvus Lite tells.
func (s *Server) AllocTimestamp(context.Context, *milvuspb.AllocTimestampRequest) (*milvuspb.AllocTimestampResponse, error) {
	if err := s.lacks(Lite3, "AllocTimestamp"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lite() {
		return &milvuspb.AllocTimestampResponse{Status: &commonpb.Status{}}, nil
	}
	return &milvuspb.AllocTimestampResponse{Status: &commonpb.Status{}, Timestamp: s.tick()}, nil
}

// Flush seals the growing segments.
func (s *Server) Flush(_ context.Context, q *milvuspb.FlushRequest) (*milvuspb.FlushResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resp := &milvuspb.FlushResponse{Status: &commonpb.Status{}, CollFlushTs: map[string]uint64{}}
	for _, name := range q.CollectionNames {
		c, st := s.find(name)
		if c == nil {
			return &milvuspb.FlushResponse{Status: st}, nil
		}
		resp.CollFlushTs[name] = s.tick()
		for i := range c.rows {
			if !s.Unsealed {
				c.rows[i].segment = sealed
			}
		}
	}
	return resp, nil
}

// GetFlushState says that all is flushed.
func (s *Server) GetFlushState(context.Context, *milvuspb.GetFlushStateRequest) (*milvuspb.GetFlushStateResponse, error) {
	return &milvuspb.GetFlushStateResponse{Status: &commonpb.Status{}, Flushed: true}, nil
}

// GetPersistentSegmentInfo tells of one segment for each write, and from 2.4 on of one of level 0 for each delete.
func (s *Server) GetPersistentSegmentInfo(_ context.Context, q *milvuspb.GetPersistentSegmentInfoRequest) (*milvuspb.GetPersistentSegmentInfoResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, in, unsorted, deletes := map[int64]int64{}, map[int64]int64{}, map[int64]bool{}, map[int64]bool{}
	c := s.collections[q.CollectionName]
	for _, r := range c.rows {
		rows[r.stored]++
		in[r.stored] = c.partitionID(r.partition)
		unsorted[r.stored] = r.segment == growing
		if r.deleted > 0 {
			deletes[int64(r.deleted)] = true
		}
	}
	resp := &milvuspb.GetPersistentSegmentInfoResponse{Status: &commonpb.Status{}}
	for id, n := range rows {
		info := &milvuspb.PersistentSegmentInfo{SegmentID: id, PartitionID: in[id], NumRows: n, State: commonpb.SegmentState_Flushed}
		if s.since("2.4") {
			info.Level, info.IsSorted = commonpb.SegmentLevel_L1, s.since("2.5") && !unsorted[id]
		}
		resp.Infos = append(resp.Infos, info)
	}
	for id := range deletes {
		if s.since("2.4") {
			resp.Infos = append(resp.Infos, &milvuspb.PersistentSegmentInfo{SegmentID: -id, State: commonpb.SegmentState_Flushed, Level: commonpb.SegmentLevel_L0})
		}
	}
	return resp, nil
}

// Compact puts the rows of all segments of a collection into one, those that were deleted left out.
func (s *Server) Compact(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, into := s.collections[name], int64(s.tick())
	c.rows = slices.DeleteFunc(c.rows, func(r row) bool { return r.deleted > 0 })
	for i := range c.rows {
		c.rows[i].stored, c.rows[i].segment = into, sealed
	}
}

// Sort puts the rows of each segment of a collection that is not sealed yet into another, as 2.5 does after a flush.
func (s *Server) Sort(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, into := s.collections[name], map[int64]int64{}
	for i, r := range c.rows {
		if r.segment == sealed {
			continue
		}
		if into[r.stored] == 0 {
			into[r.stored] = int64(s.tick())
		}
		c.rows[i].stored, c.rows[i].segment = into[r.stored], sealed
	}
}

// Insert writes rows beside those with the same keys; a Milvus Lite of 3 in their place, within a partition.
func (s *Server) Insert(_ context.Context, q *milvuspb.InsertRequest) (*milvuspb.MutationResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(q.CollectionName)
	if c == nil {
		return &milvuspb.MutationResult{Status: st}, nil
	}
	at := s.tick()
	if c.givesKeys(q.FieldsData) && !s.takesAutoIDs(c) {
		return &milvuspb.MutationResult{Status: &commonpb.Status{Code: 1100, Reason: "more fieldData has pass in: the key is given by the server"}}, nil
	}
	keys, err := s.write(c, int(q.NumRows), q.FieldsData, q.PartitionName, growing, at)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if s.version == Lite3 {
		c.replaced(keys, at, func(r *row) bool { return r.partition == cmp.Or(q.PartitionName, model.DefaultPartition) })
	}
	return &milvuspb.MutationResult{Status: &commonpb.Status{}, InsertCnt: int64(len(keys))}, nil
}

// Upsert writes rows in place of all with the same keys. A collection with auto ids gives them others, from 2.4.10 on, whatever its
// properties say, and refuses them before.
func (s *Server) Upsert(_ context.Context, q *milvuspb.UpsertRequest) (*milvuspb.MutationResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, st := s.find(q.CollectionName)
	if c == nil {
		return &milvuspb.MutationResult{Status: st}, nil
	}
	at, data, came := s.tick(), q.FieldsData, []model.Key(nil)
	if model.AutoID(c.Schema) && !s.lite() {
		if !c.givesKeys(data) || !s.from(2, 4, 10) {
			return &milvuspb.MutationResult{Status: &commonpb.Status{Code: 1100, Reason: "upsert: no keys came, or they are the server's to give"}}, nil
		}
		data, came = c.withNewKeys(int(q.NumRows), data)
	}
	keys, err := s.write(c, int(q.NumRows), data, q.PartitionName, growing, at)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	c.replaced(slices.Concat(keys, came), at, func(*row) bool { return true })
	return &milvuspb.MutationResult{Status: &commonpb.Status{}, UpsertCnt: int64(len(keys))}, nil
}

// replaced removes those rows that were written of some keys before.
func (c *collection) replaced(keys []model.Key, at uint64, those func(*row) bool) {
	written := map[model.Key]bool{}
	for _, k := range keys {
		written[k] = true
	}
	c.remove(at, func(r *row) bool { return r.written < at && written[r.key] && those(r) })
}

// Delete removes the rows of a filter.
func (s *Server) Delete(_ context.Context, q *milvuspb.DeleteRequest) (*milvuspb.MutationResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	matches, err := parse(q.Expr)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	c, st := s.find(q.CollectionName)
	if c == nil {
		return &milvuspb.MutationResult{Status: st}, nil
	}
	c.remove(s.tick(), matches)
	return &milvuspb.MutationResult{Status: &commonpb.Status{}}, nil
}

func (c *collection) remove(at uint64, gone func(*row) bool) {
	for i := range c.rows {
		if c.rows[i].deleted == 0 && gone(&c.rows[i]) {
			c.rows[i].deleted = at
		}
	}
}

// is reports whether the server is of a line, and of a patch of it or of a later one; s.mu is held.
func (s *Server) is(major, minor, patch int) bool {
	v := s.numbers()
	return v[0] == major && v[1] == minor && v[2] >= patch
}

// from reports whether it is of a version or of a later one; s.mu is held.
func (s *Server) from(major, minor, patch int) bool {
	v := s.numbers()
	return slices.Compare(v[:], []int{major, minor, patch}) >= 0
}

func (s *Server) numbers() (v [3]int) {
	for i, part := range strings.SplitN(strings.TrimPrefix(s.version, "v"), ".", 3) {
		v[i], _ = strconv.Atoi(part)
	}
	return v
}

// since reports whether the server is of a line or of a later one, and no Lite; s.mu is held.
func (s *Server) since(line string) bool {
	return strings.TrimPrefix(s.version, "v") >= line && !s.lite()
}
