//go:build lab

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"migrate/deploy/lab"
	"migrate/internal/labtest"
)

// The S3 actions that docs/permissions.md has for a store that is read, and for one that is written to.
var (
	toRead  = []string{"s3:GetObject"}
	toWrite = []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}
)

// keysFor are temporary keys of the real MinIO, as the environment of a command: for the actions on one prefix, and its list.
func keysFor(t *testing.T, side, bucket, prefix string, actions []string) []string {
	t.Helper()
	keys, err := credentials.NewSTSAssumeRole("http://"+lab.MinIO, credentials.STSAssumeRoleOptions{
		AccessKey: lab.MinIOUser, SecretKey: lab.MinIOPassword, DurationSeconds: 900,
		Policy: fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": ["%[3]s"], "Resource": ["arn:aws:s3:::%[1]s/%[2]s/*"]},
			{"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::%[1]s"],
				"Condition": {"StringLike": {"s3:prefix": ["%[2]s/*"]}}}]}`, bucket, prefix, strings.Join(actions, `", "`)),
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := keys.GetWithContext(nil)
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"MIGRATE_" + side + "_ACCESS_KEY=" + v.AccessKeyID, "MIGRATE_" + side + "_SECRET_KEY=" + v.SecretAccessKey,
		"MIGRATE_" + side + "_SESSION_TOKEN=" + v.SessionToken,
	}
}

// TestLeastRights is a move by temporary keys of one prefix that may do what docs/permissions.md says, and nothing else.
func TestLeastRights(t *testing.T) {
	name := documents(t, labtest.Source(t), 1000)
	labtest.DropLater(t, labtest.Target(t), name)
	rights := func(sink, staging []string) []string {
		env := keysFor(t, "SINK", lab.ExportBucket, name, sink)
		if staging == nil {
			return env
		}
		return append(env, keysFor(t, "STAGING", lab.ClusterBucket, name, staging)...)
	}
	onSink := args(sink, "s3://"+lab.ExportBucket+"/"+name, "--sink-endpoint", "HTTP://"+lab.MinIO)
	onBoth := args(onSink, "--staging-url", "s3://"+lab.ClusterBucket+"/"+name, "--staging-endpoint", lab.MinIO)
	for _, step := range []struct {
		rights []string
		args   []string
		code   int
		says   string
	}{
		{rights(toRead, nil), args("export", toSource, onSink, "--collection", name), exitFailed, "not allowed s3:PutObject on s3://" + lab.ExportBucket + "/" + name},
		{rights(toWrite, nil), args("export", toSource, onSink, "--collection", name), exitOK, "exported 1,000 rows"},
		{rights(toRead, toWrite), args("import", toTarget, onBoth, "--collection", name), exitOK, "imported 1,000 rows"},
		{rights(toRead, nil), args("verify", "--from", "export", toTarget, onSink, "--collection", name), exitOK, "equal: 1,000 rows"},
		{rights(toWrite, toRead), args("sync", "--once", toSource, toTarget, onBoth, "--collection", name), exitOK, "(1,000 rows)"},
		{rights(toRead, toRead), args("status", onBoth), exitOK, name},
		{rights(toWrite, toWrite), args("doctor", onBoth), exitOK, "staging: s3://"},
		{rights(toWrite, toRead), args("jobs", "rm", onBoth, "--job", name, "--force"), exitFailed, "not allowed s3:DeleteObject on s3://" + lab.ClusterBucket + "/" + name},
		{rights(toWrite, toWrite), args("jobs", "rm", onBoth, "--job", name, "--force"), exitOK, "removed job"},
	} {
		t.Run(strings.Join(step.args[:2], " "), func(t *testing.T) {
			r := migrate(t, step.rights, step.args...)
			r.want(t, step.code, step.says)
			for _, kv := range step.rights {
				if key, secret, _ := strings.Cut(kv, "="); !strings.HasSuffix(key, "ACCESS_KEY") && strings.Contains(r.stdout+r.stderr, secret) {
					t.Errorf("%s was printed", key)
				}
			}
		})
	}
}
