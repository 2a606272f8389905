package binlog

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"

	"github.com/milvus-io/milvus-proto/go-api/v2/schemapb"

	"migrate/internal/model"
)

// deletesRead is how many deletes are read at once.
const deletesRead = 4096

// ReadDeletes calls add for each delete of a delta log, which has to be of that collection. Whose it is says its name: after a compaction
// Milvus 2.3 writes logs of the new segment that say they are of the one which was compacted. Keys are of the kind that is told by
// text, and share memory that is not written again.
func ReadDeletes(object Object, collection int64, text bool, add func(key model.Key, ts uint64) error) error {
	l, err := open(object, deleteEvent)
	if err != nil {
		return err
	}
	if l.owner.Collection != collection {
		return damaged("it says that it is of collection %d, and not of %d", l.owner.Collection, collection)
	}
	for _, f := range l.files {
		var err error
		switch {
		case len(f.columns) == 1 && f.columns[0].physical == byteArray:
			err = l.textDeletes(f, text, add)
		case len(f.columns) == 2 && f.columns[1].physical == int64s && f.columns[0].physical == keyType(text):
			err = l.columnDeletes(f, text, add)
		default:
			err = damaged("its Parquet has %d columns, and not those of deletes", len(f.columns))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func keyType(text bool) int64 {
	if text {
		return byteArray
	}
	return int64s
}

// textDeletes are a text each.
func (l *log) textDeletes(f *file, text bool, add func(model.Key, uint64) error) error {
	r := l.reader(f, 0)
	for {
		var v values
		n, err := r.next(deletesRead, nil, &v)
		if n == 0 || err != nil {
			return err
		}
		if len(v.texts) != n {
			return damaged("deletes that are NULL")
		}
		for _, one := range v.texts {
			key, ts, err := parseDelete(one, text)
			if err != nil {
				return err
			}
			if err := add(key, ts); err != nil {
				return err
			}
		}
	}
}

// parseDelete reads {"pk":…,"ts":…,"pkType":…}, or the two numbers that early servers wrote.
func parseDelete(text []byte, isText bool) (key model.Key, ts uint64, err error) {
	var d struct {
		PK   json.RawMessage `json:"pk"`
		TS   *uint64         `json:"ts"`
		Type int             `json:"pkType"`
	}
	if err := json.Unmarshal(text, &d); err != nil {
		number, time, _ := bytes.Cut(text, []byte{','})
		key.Int, err = strconv.ParseInt(string(number), 10, 64)
		if err == nil {
			ts, err = strconv.ParseUint(string(time), 10, 64)
		}
		if err != nil || isText {
			return key, ts, damaged("a delete %.60q", text)
		}
		return key, ts, nil
	}
	want := schemapb.DataType_Int64
	if isText {
		want = schemapb.DataType_VarChar
	}
	if d.TS == nil || d.Type != int(want) || key.UnmarshalJSON(d.PK) != nil || key.IsText() != isText {
		return key, ts, damaged("a delete %.60q", text)
	}
	return key, *d.TS, nil
}

// columnDeletes are a column of keys and one of times.
func (l *log) columnDeletes(f *file, text bool, add func(model.Key, uint64) error) error {
	var keys, times values
	for column, into := range []*values{&keys, &times} {
		r := l.reader(f, column)
		for {
			n, err := r.next(deletesRead, nil, into)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
		}
	}
	n := len(times.fixed) / 8
	if n != int(f.rows) || len(keys.texts)+len(keys.fixed)/8 != n {
		return damaged("deletes that are NULL")
	}
	for i := range n {
		var key model.Key
		if text {
			key = model.TextKey(string(keys.texts[i]))
		} else {
			key = model.IntKey(number(keys.fixed[8*i:]))
		}
		if err := add(key, binary.LittleEndian.Uint64(times.fixed[8*i:])); err != nil {
			return err
		}
	}
	return nil
}
