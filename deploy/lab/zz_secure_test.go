package lab

import (
	"testing"
	"context"
	"time"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"net/http"
	"strings"
)

func TestZZSecure(t *testing.T) {
	l, err := Running(t.Context())
	if err != nil { t.Fatal(err) }
	t.Log("good:", serves(SecureStandalone, SecureUser, SecurePassword, l.Trust)(t.Context()))
	b := time.Now()
	t.Log("wrong password:", serves(SecureStandalone, SecureUser, "nope", l.Trust)(t.Context()), time.Since(b))
	t.Log("no password:", serves(SecureStandalone, "", "", l.Trust)(t.Context()))
	b = time.Now()
	t.Log("no tls:", serves(SecureStandalone, SecureUser, SecurePassword, nil)(t.Context()), time.Since(b))
	cfg, _ := l.Trust()
	for _, pw := range []string{MinIOPassword, "nope-nope"} {
		c, err := minio.New(SecureMinIO, &minio.Options{Creds: credentials.NewStaticV4(MinIOUser, pw, ""), Secure: true, Transport: &http.Transport{TLSClientConfig: cfg}})
		if err != nil { t.Fatal(err) }
		_, err = c.PutObject(context.Background(), ExportBucket, "x/y", strings.NewReader("hello"), 5, minio.PutObjectOptions{})
		t.Log("minio", pw, err)
		st, err := c.StatObject(context.Background(), ExportBucket, "x/y", minio.StatObjectOptions{})
		t.Log(st.Size, err)
		_ = c.RemoveObject(context.Background(), ExportBucket, "x/y", minio.RemoveObjectOptions{})
	}
	c, _ := minio.New(SecureMinIO, &minio.Options{Creds: credentials.NewStaticV4(MinIOUser, MinIOPassword, ""), Secure: true})
	_, err = c.BucketExists(context.Background(), ExportBucket)
	t.Log("untrusted CA:", err)
}
