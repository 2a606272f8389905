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
	"strings"
	"testing"

	"migrate/sinks"
)

// killVariable names the sink that a child process puts to, until it is killed.
const killVariable = "MIGRATE_SINKS_PUT_TO"

func TestMain(m *testing.M) {
	if url := os.Getenv(killVariable); url != "" {
		fmt.Println(putForEver(context.Background(), url))
		os.Exit(1)
	}
	os.Exit(m.Run())
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
	config := labConfig(t)
	local, s3 := openLocal(t, t.TempDir()), openS3(t, config)
	for _, test := range []struct {
		name  string
		sink  sinks.Sink
		left  func() int
		sweep sinks.Sweeper
	}{
		{"local", local, func() int { return len(files(t, strings.TrimPrefix(local.URL(""), "file://"))) - 2 }, local},
		{"s3", s3, func() int { return uploads(t, s3, "job/object") }, s3},
	} {
		t.Run(test.name, func(t *testing.T) {
			put(t, test.sink, "job/object", []byte("before"))
			killPut(t, test.sink.URL(""))
			if got := names(t, test.sink, ""); !slices.Equal(got, []string{"job/object"}) {
				t.Errorf("listed %q", got)
			}
			if got := string(read(t, test.sink, "job/object")); got != "before" {
				t.Errorf("read %q", got)
			}
			if n := test.left(); n != 1 {
				t.Errorf("%d leftovers of a killed put, want 1", n)
			}
			if err := test.sweep.Sweep(t.Context(), "job/obj"); err != nil || test.left() != 1 {
				t.Errorf("%d leftovers, %v after a sweep for another object, want 1", test.left(), err)
			}
			if err := test.sweep.Sweep(t.Context(), "job/object"); err != nil || test.left() != 0 {
				t.Errorf("%d leftovers, %v after the sweep, want 0", test.left(), err)
			}
		})
	}
}

// killPut has a child process put to url and kills it on its way.
func killPut(t *testing.T, url string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), killVariable+"="+url)
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
	if err := errors.Join(err, child.Process.Kill()); err != nil || line != "writing\n" {
		t.Fatalf("child said %q: %v", line, err)
	}
	_ = child.Wait() // it was killed
}
