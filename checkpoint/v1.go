package checkpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"migrate/internal/document"
)

// Format 1 was one document a job, in the job's folder, which held the state of every part; and beside it records, from which it could
// be made anew: the plan, and for each part the last state that each owner brought it to.
//
//	<job>/export.checkpoint.json
//	<job>/export.checkpoint/plan.json
//	<job>/export.checkpoint/<part>.<epoch>.json
//
// An old program looks for its document and is refused by what is there now.

const (
	oldSuffix = ".checkpoint.json"
	// bareSign is where format 1 had its document. Any other content is longer.
	bareSign = `{"format":2}`
)

func oldObject(name string) string { return name + oldSuffix }

// sign is what is where format 1 had its document, until that is converted.
type sign struct {
	Format int             `json:"format"`
	Epoch  int64           `json:"epoch,omitempty"` // only a document of this format that has a later one is the job's
	Was    json.RawMessage `json:"was,omitempty"`   // the document
}

// parseSign reads what is where format 1 had its document: nil where nothing is left of that.
func parseSign(text []byte) (*oldJob, error) {
	if err := checkFormat(text); err != nil {
		return nil, err
	}
	var s sign
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	switch {
	case s.Format < Format:
		return parseOld(text)
	case s.Was == nil:
		return nil, nil
	}
	j, err := parseOld(s.Was)
	if err == nil {
		j.fenced, j.fence = true, s.Epoch
	}
	return j, err
}

// oldJob is a document of format 1.
type oldJob struct {
	Format  int               `json:"format"`
	Kind    Kind              `json:"kind"`
	Name    string            `json:"name"`
	Params  map[string]string `json:"params"`
	State   State             `json:"state"`
	Error   string            `json:"error"`
	Lease   Lease             `json:"lease"`
	Started time.Time         `json:"started"`
	Updated time.Time         `json:"updated"`
	Rows    int64             `json:"rows"`
	Parts   []oldPart         `json:"parts"`

	Taken     time.Time `json:"taken"`
	TakenRows int64     `json:"taken_rows"`

	Pin        json.RawMessage `json:"pin"`
	Extents    json.RawMessage `json:"extents"`
	Snapshot   uint64          `json:"snapshot"`
	Target     int64           `json:"target_collection"`
	RowsBefore int64           `json:"rows_before"`
	Sync       json.RawMessage `json:"sync"`

	Before *oldJob `json:"before"`

	text   []byte // as it was stored
	fenced bool   // old programs are refused it already
	fence  int64  // the sign's epoch
}

func parseOld(text []byte) (*oldJob, error) {
	j := &oldJob{text: text}
	if err := document.Unmarshal(text, j); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if j.Format < 1 || j.Name == "" || j.Kind == "" {
		return nil, fmt.Errorf("%w: it describes no job", ErrDamaged)
	}
	return j, nil
}

// sign is the sign that keeps the document. The epoch is the highest that the job has had, removed ones of its name among them.
func (j *oldJob) sign(epoch int64) []byte {
	return fmt.Appendf(nil, `{"format":%d,"epoch":%d,"was":%s}`, Format, epoch, j.text)
}

// oldPart is the state of a part: what is of the plan, and what was done.
type oldPart struct {
	members map[string]json.RawMessage
	state   State
	rows    int64 // in its object
	planned int64
	task    int64 // bulk-insert job
}

// UnmarshalJSON reads a part.
func (p *oldPart) UnmarshalJSON(text []byte) error {
	var known struct {
		State   State `json:"state"`
		Content struct {
			Rows int64 `json:"rows"`
		} `json:"content"`
		Planned int64 `json:"planned"`
		Task    int64 `json:"task"`
	}
	if err := json.Unmarshal(text, &known); err != nil {
		return err
	}
	p.state, p.rows, p.planned, p.task = known.State, known.Content.Rows, known.Planned, known.Task
	if p.state == "finished" {
		p.state = Done
	}
	return json.Unmarshal(text, &p.members)
}

// only are some members of a part.
func (p oldPart) only(names ...string) map[string]json.RawMessage {
	some := map[string]json.RawMessage{}
	for _, name := range names {
		if value, ok := p.members[name]; ok {
			some[name] = value
		}
	}
	return some
}

// job is the document in this format. Its plan is not written yet.
func (j *oldJob) job() *Job {
	chunks := j.chunks()
	job := &Job{
		Format: Format, Kind: j.Kind, Name: j.Name, Params: mustJSON(j.params()), Body: j.body(), State: j.State, Error: maskLogins(j.Error),
		Lease: j.Lease, Started: j.Started, Updated: j.Updated, Taken: j.Taken, TakenRows: j.TakenRows,
		Planned: Tally{Parts: len(j.Parts), Rows: j.Rows}, Done: doneOf(chunks),
	}
	begun := slices.ContainsFunc(j.Parts, func(p oldPart) bool { return p.state != Todo })
	if j.Before != nil && !begun && j.State != Done {
		job.Before = j.Before.job()
	}
	return job
}

// exportBody and importBody are what these engines keep of a job.
type exportBody struct {
	Pin      json.RawMessage   `json:"pin,omitempty"`
	Snapshot uint64            `json:"snapshot,omitempty"`
	Findings []json.RawMessage `json:"findings,omitempty"`
}

type importBody struct {
	Target     int64 `json:"target_collection"`
	RowsBefore int64 `json:"rows_before,omitempty"`
}

// pin is what has the parts that are left read as those that are finished.
func (j *oldJob) pin() json.RawMessage {
	if len(j.Parts) == 0 || len(j.Pin) > 0 {
		return j.Pin
	}
	return mustJSON(struct {
		Snapshot uint64          `json:"snapshot,omitempty"`
		Extents  json.RawMessage `json:"extents,omitempty"`
	}{j.Snapshot, j.Extents})
}

// body is what each kind of job had in members of its own.
func (j *oldJob) body() json.RawMessage {
	switch j.Kind {
	case Export:
		var findings []json.RawMessage
		for _, p := range j.Parts {
			if f := p.members["findings"]; len(f) > len("{}") {
				findings = append(findings, f)
			}
		}
		return mustJSON(exportBody{j.pin(), j.Snapshot, findings})
	case Import:
		return mustJSON(importBody{j.Target, j.RowsBefore})
	}
	return j.Sync
}

// chunks are the parts: each one of an export, and the parts that one bulk-insert job of an import brings.
func (j *oldJob) chunks() (chunks []Chunk) {
	if j.Kind == Export {
		for i, p := range j.Parts {
			chunks = append(chunks, p.exported(i))
		}
		return chunks
	}
	var groups [][]oldPart
	for _, p := range j.Parts {
		k := slices.IndexFunc(groups, func(g []oldPart) bool {
			return p.task != 0 && p.state != Done && g[0].task == p.task && g[0].state == p.state
		})
		if k < 0 {
			groups = append(groups, []oldPart{p})
			continue
		}
		groups[k] = append(groups[k], p)
	}
	for i, g := range groups {
		chunks = append(chunks, imported(i, g))
	}
	return chunks
}

// exported is a part of an export as a chunk.
func (p oldPart) exported(id int) Chunk {
	c := Chunk{
		ID: id, Spec: mustJSON(p.only("partition", "after", "up_to", "number", "planned")), Size: Tally{1, p.planned}, State: p.state,
	}
	if p.state == Done {
		c.Done = Tally{1, p.rows}
		c.Result = mustJSON(p.only("partition", "after", "up_to", "object", "content", "bytes", "sha256", "lowest", "highest", "columns", "findings"))
	}
	return c
}

// imported is the parts of one bulk-insert job as a chunk.
func imported(id int, group []oldPart) Chunk {
	c := Chunk{ID: id, State: group[0].state}
	var parts, staged []any
	for _, p := range group {
		parts = append(parts, p.only("partition", "after", "up_to", "object", "content", "bytes", "sha256", "lowest", "highest"))
		staged = append(staged, p.members["staged"])
		c.Size = c.Size.plus(Tally{1, p.rows})
	}
	c.Spec = mustJSON(map[string]any{"parts": parts})
	switch c.State {
	case Todo:
	case Done:
		c.Done = c.Size
	default:
		c.Result = mustJSON(map[string]any{"staged": staged, "job": group[0].task})
	}
	return c
}

// params leave the login out that early versions wrote, where it was given in the address.
func (j *oldJob) params() map[string]string {
	params := maps.Clone(j.Params)
	if address, ok := params["source"]; ok {
		params["source"] = hostPort(address)
	}
	return params
}

// hostPort is what is left of an address without scheme, login and database, with the port that it stood for.
func hostPort(address string) string {
	if !strings.ContainsAny(address, "@/") {
		return address
	}
	scheme, rest, isURL := strings.Cut(address, "://")
	if !isURL {
		scheme, rest = "", address
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:] // before it is read: a slash in a password would end the host
	u, err := url.Parse("milvus://" + rest)
	switch {
	case err != nil:
		return rest
	case u.Port() != "":
		return u.Host
	case strings.EqualFold(scheme, "https"):
		return u.Host + ":443"
	}
	return u.Host + ":19530"
}

// login is user:password@ of an address, as it was told of in messages.
var login = regexp.MustCompile(`[\w.~!$&'()*+,;=%-]+:[\w.~!$&'()*+,;=%:@-]+@`)

func maskLogins(message string) string { return login.ReplaceAllString(message, "") }

// mustJSON encodes what was read from JSON, or is made of numbers and texts alone.
func mustJSON(value any) json.RawMessage {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

// writeConverted writes the plan of a job and its chunks as they are, unless one of them was written by a later owner.
func writeConverted(ctx context.Context, store Store, name string, job *Job, chunks []Chunk, lease Lease) error {
	if err := writePlan(ctx, store, name, job, chunks); err != nil {
		return err
	}
	g, ctx := newGroup(ctx)
	for _, c := range chunks {
		if c.State == Todo {
			continue
		}
		g.Go(func() error {
			b := begun{ID: c.ID, State: c.State, Done: c.Done, Result: c.Result, Lease: lease}
			_, err := putChunk(ctx, store, chunkObject(name, job.Plan.ID, c.ID), "", b)
			return err
		})
	}
	return g.Wait()
}

func oldRecords(name string) string { return name + ".checkpoint/" }

// oldRecord is the state of one part. The job's start tells it from one of an earlier job of the same name.
type oldRecord struct {
	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"`
	Part    oldPart   `json:"part"`
}

// parseOldRecord is the part and epoch of a record; false for any other object.
func parseOldRecord(name, object string) (part int, epoch int64, ok bool) {
	n, err := fmt.Sscanf(strings.TrimPrefix(object, oldRecords(name)), "%d.%d.json", &part, &epoch)
	return part, epoch, n == 2 && err == nil && part >= 0 && object == fmt.Sprintf("%s%d.%d.json", oldRecords(name), part, epoch)
}

// rescueOld reads a job from its records of format 1.
func rescueOld(ctx context.Context, store Store, name string) (r rescued, err error) {
	object := path.Join(oldRecords(name), "plan.json")
	text, _, err := store.Get(ctx, object)
	if err != nil {
		return r, fmt.Errorf("reading the plan of %s: %w", name, err)
	}
	old, err := parseOld(text)
	if err != nil {
		return r, fmt.Errorf("%s: %w", object, err)
	}
	latest := make([]int64, len(old.Parts)) // epochs
	for entry, err := range store.List(ctx, oldRecords(name)) {
		if err != nil {
			return r, fmt.Errorf("looking for the records of %s: %w", name, err)
		}
		if err := old.addRecord(ctx, store, name, entry.Name, latest); err != nil {
			return r, err
		}
	}
	r.job, r.chunks, r.old = old.job(), old.chunks(), true
	r.job.Plan = Plan{newPlanID(old.Lease.Epoch, 0), len(r.chunks)}
	r.leave(old.Lease.Epoch)
	return r, nil
}

// addRecord brings a part to the state of a record, unless that is of an earlier owner than what is known.
func (j *oldJob) addRecord(ctx context.Context, store Store, name, object string, latest []int64) error {
	i, epoch, ok := parseOldRecord(name, object)
	if !ok || i >= len(latest) || epoch < latest[i] {
		return nil
	}
	var r oldRecord
	if _, err := read(ctx, store, object, &r); err != nil {
		return fmt.Errorf("reading a record: %w", err)
	}
	if !r.Started.Equal(j.Started) {
		return nil
	}
	j.Parts[i], latest[i] = r.Part, epoch
	j.Lease.Epoch = max(j.Lease.Epoch, epoch)
	if r.Updated.After(j.Updated) {
		j.Updated = r.Updated
	}
	return nil
}

// removeOldRecords removes what format 1 left beside its document.
func removeOldRecords(ctx context.Context, store Store, name string) error {
	var records []string
	for entry, err := range store.List(ctx, oldRecords(name)) {
		if err != nil {
			return fmt.Errorf("looking for the records of %s: %w", name, err)
		}
		records = append(records, entry.Name)
	}
	return removeAll(ctx, store, name, records)
}
