package move

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Total are the rows and bytes of the collections that were moved.
func (r Report) Total() (rows, bytes int64) {
	for _, o := range r.Collections {
		if o.State == Done || o.State == Different {
			rows, bytes = rows+o.Rows, bytes+o.Bytes
		}
	}
	return rows, bytes
}

// states are all, in the order in which they are told.
var states = []State{Done, Different, Failed, Refused, Gone, Left}

// InWords is "3 done, 1 failed".
func (r Report) InWords() string { return inWords(r.Count) }

func inWords(count func(State) int) string {
	var words []string
	for _, s := range states {
		if n := count(s); n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, s))
		}
	}
	return strings.Join(words, ", ")
}

// keepSummary keeps a page of what became of the move, beside what is known of its collections.
func (m *moving) keepSummary(ctx context.Context, r *Report) error {
	if m.record == nil {
		return nil
	}
	_, err := m.Sink.Put(ctx, m.record.summary(), func(w io.Writer) error { return r.page(w, time.Now()) })
	r.Page = m.Sink.URL(m.record.summary())
	return wrapped(err, "keeping the summary of the move")
}

// page is the report in Markdown.
func (r Report) page(w io.Writer, now time.Time) error {
	var text strings.Builder
	rows, bytes := r.Total()
	fmt.Fprintf(&text, "# Move %s\n\nAt %s: %d collections, %s; %s rows, %s.\n\n| collection | became | on the target | rows | bytes | ended | what else |\n|---|---|---|---|---|---|---|\n",
		r.Move, now.UTC().Format(time.RFC3339), len(r.Collections), r.InWords(), humanize.Comma(rows), size(bytes))
	for _, o := range r.Collections {
		ended := ""
		if !o.Ended.IsZero() {
			ended = o.Ended.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %s | %s |\n", o.Named, o.State, o.Target, humanize.Comma(o.Rows), size(o.Bytes), ended, cell(o.Told()))
	}
	for _, n := range r.Created {
		fmt.Fprintf(&text, "\n%s was created meanwhile, and is not moved.\n", n)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&text, "\n%s\n", n)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// Told is what else is to be known of a collection, in words.
func (o Outcome) Told() string {
	words := o.Notes
	if o.Error != "" {
		words = append([]string{o.Error}, words...)
	}
	return strings.Join(words, "; ")
}

// cell keeps a text within one cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}
