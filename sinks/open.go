package sinks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

// Open opens the sink that rawURL names: a folder, as file:///absolute, file://./relative or a plain path, or
// s3://bucket/prefix, for which s3 says the rest.
func Open(ctx context.Context, rawURL string, s3 S3Config) (Sink, error) {
	place, err := parse(rawURL)
	if err != nil {
		return nil, err
	}
	if place.bucket == "" {
		return opened(NewLocal(place.folder))
	}
	s3.Bucket, s3.Prefix = place.bucket, place.prefix
	return opened(NewS3(ctx, s3))
}

// opened keeps a nil pointer from becoming a Sink that is not nil.
func opened[S Sink](sink S, err error) (Sink, error) {
	if err != nil {
		return nil, err
	}
	return sink, nil
}

// place is a folder, or a bucket and a prefix.
type place struct {
	folder         string
	bucket, prefix string
}

// oneSlash is how a URL begins that lacks a slash.
var oneSlash = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:/`)

// CheckURL says what is wrong with a sink's URL, before anything is opened by it.
func CheckURL(rawURL string) error {
	_, err := parse(rawURL)
	return err
}

// parse reads a sink's URL. Its errors don't repeat the URL, which may hold a password.
func parse(rawURL string) (place, error) {
	scheme, rest, isURL := strings.Cut(rawURL, "://")
	switch scheme = strings.ToLower(scheme); {
	case rawURL == "":
		return place{}, errors.New("the sink's URL is empty: give a folder, file:///folder or s3://bucket/prefix")
	case !isURL && oneSlash.MatchString(rawURL):
		return place{}, errors.New(`the sink's URL has one slash after its colon: write two, or "./" before a folder of that name`)
	case !isURL:
		return place{folder: filepath.Clean(rawURL)}, nil
	case scheme == "file":
		return parseFile(rest)
	case scheme == "s3":
		return parseS3(rest)
	}
	return place{}, fmt.Errorf("sink URL: scheme %q is unknown: use file:// or s3://", scheme)
}

func parseFile(rest string) (place, error) {
	folder, err := unescape(rest)
	if err != nil {
		return place{}, fmt.Errorf("sink URL file://: %w", err)
	}
	if !strings.HasPrefix(folder, "/") && folder != "." && !strings.HasPrefix(folder, "./") && !strings.HasPrefix(folder, "../") {
		return place{}, errors.New("sink URL file://: write file:///folder for an absolute path and file://./folder for a relative one")
	}
	return place{folder: filepath.Clean(folder)}, nil
}

func parseS3(rest string) (place, error) {
	if host, _, _ := strings.Cut(rest, "/"); strings.Contains(host, "@") {
		return place{}, errors.New("sink URL s3://: credentials don't belong into it: they are settings of their own")
	}
	decoded, err := unescape(rest)
	if err != nil {
		return place{}, fmt.Errorf("sink URL s3://: %w", err)
	}
	bucket, prefix, _ := strings.Cut(decoded, "/")
	prefix = strings.Trim(prefix, "/")
	if bucket == "" {
		return place{}, errors.New("sink URL s3://: no bucket: write s3://bucket/prefix")
	}
	if prefix == "" {
		return place{bucket: bucket}, nil
	}
	if err := CheckName(prefix); err != nil {
		return place{}, fmt.Errorf("sink URL s3://: %w", err)
	}
	return place{bucket: bucket, prefix: prefix}, nil
}

// unescape decodes percent signs.
func unescape(s string) (string, error) {
	if strings.ContainsAny(s, "?#") {
		return "", errors.New("it takes no parameters: write %3F for a question mark and %23 for a number sign")
	}
	decoded, err := url.PathUnescape(s)
	switch {
	case err != nil:
		return "", errors.New("a percent sign without a code after it: write %25 for a percent sign")
	case strings.ContainsRune(decoded, 0):
		return "", errors.New("it holds a zero byte")
	}
	return decoded, nil
}
