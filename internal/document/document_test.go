package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

type document struct {
	Name  string            `json:"name"`
	Count uint64            `json:"count,omitempty"`
	Tags  map[string]string `json:"tags,omitempty"`
}

func anyDocument(t *rapid.T) document {
	return document{
		Name: rapid.String().Draw(t, "name"), Count: rapid.Uint64().Draw(t, "count"),
		Tags: rapid.MapOfN(rapid.String(), rapid.String(), 1, 3).Draw(t, "tags"),
	}
}

// A document is read as it was written, also if somebody has laid it out anew.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyDocument(t)
		text, err := Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, text, "", "  "); err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{text, spaced.Bytes()} {
			var got document
			if err := Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("read %+v, %v of %s", got, err, text)
			}
		}
	})
}

// A document that was cut off, or altered by a bit, is not read.
func TestEveryBit(t *testing.T) {
	text, err := Marshal(document{Name: "rag_documents ü", Count: 1<<63 + 1, Tags: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		if err := Unmarshal(text[:i], &document{}); !errors.Is(err, ErrBroken) {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
		for bit := range 8 {
			altered := bytes.Clone(text)
			altered[i] ^= 1 << bit
			if err := Unmarshal(altered, &document{}); !errors.Is(err, ErrBroken) {
				t.Errorf("read with bit %d of byte %d flipped: %v\n%s", bit, i, err, altered)
			}
		}
	}
}

// The empty object, and what is no object.
func TestEdges(t *testing.T) {
	text, err := Marshal(struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Unmarshal(text, &document{}); err != nil {
		t.Errorf("the empty object: %v of %s", err, text)
	}
	if text, err := Marshal([]int{1}); err == nil {
		t.Errorf("a list was sealed: %s", text)
	}
	if err := Unmarshal([]byte(`{"name":"never sealed"}`), &document{}); !errors.Is(err, ErrBroken) {
		t.Errorf("never sealed: %v", err)
	}
}
