package sinks_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"migrate/deploy/lab"
	"migrate/sinks"
)

const (
	mib       = 1 << 20
	uploadTwo = 20 * mib // two parts
)

var errEncode = errors.New("cannot encode the rows")

// labKeys opens the lab's MinIO.
func labKeys() sinks.S3Config {
	return sinks.S3Config{Endpoint: lab.MinIO, AccessKey: lab.MinIOUser, SecretKey: lab.MinIOPassword}
}

func openS3(t *testing.T, config sinks.S3Config) *sinks.S3 {
	t.Helper()
	sink, err := sinks.NewS3(context.WithoutCancel(t.Context()), config)
	if err != nil {
		t.Fatalf("the lab's MinIO is needed; start the lab with make lab-up: %v", err)
	}
	return sink
}

func openLocal(t *testing.T, root string) *sinks.Local {
	t.Helper()
	sink, err := sinks.NewLocal(root)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func names(t *testing.T, sink sinks.Sink, prefix string) []string {
	t.Helper()
	var names []string
	for info, err := range sink.List(context.WithoutCancel(t.Context()), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return names
}

func writes(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

func put(t *testing.T, sink sinks.Sink, name string, data []byte) {
	t.Helper()
	if _, err := sink.Put(t.Context(), name, writes(data)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, sink sinks.Sink, name string) []byte {
	t.Helper()
	object, err := sink.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(object)
	if err := errors.Join(err, object.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}

// bytesOf returns size bytes, different ones for each call.
func bytesOf(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.Read(data) // never fails
	return data
}

// refuse answers as an S3 store does that reports an error.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Minio-Error-Code", code)
	w.Header().Set("X-Minio-Error-Desc", message)
	w.WriteHeader(status)
	_, _ = io.Copy(w, bytes.NewBufferString("<Error><Code>"+code+"</Code><Message>"+message+"</Message></Error>"))
}

// write writes a file in a folder of its own.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
