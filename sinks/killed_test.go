package sinks_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"

	"migrate/sinks"
)

// work names what a child process does, and to which sink.
type work struct{ variable, url string }

const (
	putting  = "MIGRATE_SINKS_PUT_TO"   // until it is killed
	counting = "MIGRATE_SINKS_COUNT_AT" // some turns
	swapping = "MIGRATE_SINKS_SWAP_AT"  // until it is killed
)

func TestMain(m *testing.M) {
	for variable, do := range map[string]func(ctx context.Context, url string) error{
		putting: putForEver, counting: countTurns, swapping: countForEver,
	} {
		url := os.Getenv(variable)
		if url == "" {
			continue
		}
		if err := do(context.Background(), url); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func (w work) command(t *testing.T) *exec.Cmd {
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), w.variable+"="+w.url)
	return child
}

// putForEver writes more than a part of an object, says so, and waits to be killed.
func putForEver(ctx context.Context, url string) error {
	sink, err := sinks.Open(ctx, url, labKeys())
	if err != nil {
		return err
	}
	_, err = sink.Put(ctx, "job/object", func(w io.Writer) error {
		if err := writes(bytesOf(uploadTwo))(w); err != nil {
			return err
		}
		fmt.Println("writing")
		_, err := io.Copy(io.Discard, os.Stdin) // which nobody closes
		return err
	})
	return err
}

// A put that is killed leaves the old object, no reader sees the new one, and Sweep removes what takes up space.
func TestAKilledPut(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			sink, root := kind.open(t)
			left := func() int { return kind.left(t, sink, root) }
			put(t, sink, "job/object", []byte("before"))
			work{putting, sink.URL("")}.kill(t, "writing\n")
			if got := names(t, sink, ""); !slices.Equal(got, []string{"job/object"}) {
				t.Errorf("listed %q", got)
			}
			if got := string(read(t, sink, "job/object")); got != "before" {
				t.Errorf("read %q", got)
			}
			if n := left(); n != 1 {
				t.Errorf("%d leftovers of a killed put, want 1", n)
			}
			sweep, _ := sinks.As[sinks.Sweeper](sink)
			if err := sweep.Sweep(t.Context(), "job/obj"); err != nil || left() != 1 {
				t.Errorf("%d leftovers, %v after a sweep for another object, want 1", left(), err)
			}
			if err := sweep.Sweep(t.Context(), "job/object"); err != nil || left() != 0 {
				t.Errorf("%d leftovers, %v after the sweep, want 0", left(), err)
			}
		})
	}
}

// kill has a child process do the work and kills it when it has said so.
func (w work) kill(t *testing.T, says string) {
	t.Helper()
	child := w.command(t)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err := errors.Join(err, child.Process.Kill()); err != nil || line != says {
		t.Fatalf("child said %q: %v", line, err)
	}
	_ = child.Wait() // it was killed
}
