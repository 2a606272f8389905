package sinks_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"migrate/sinks"
)

func TestConfigKeepsItsSecrets(t *testing.T) {
	config := sinks.S3Config{Endpoint: "host:9000", Bucket: "bucket", AccessKey: "someone", SecretKey: "hush-key", SessionToken: "hush-token"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("opening", "sink", config, "pointer", &config)
	asJSON, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		fmt.Sprint(config), fmt.Sprintf("%+v", config), fmt.Sprintf("%#v", config), fmt.Sprintf("%v", &config),
		fmt.Sprintf("%+v", []sinks.S3Config{config}), fmt.Sprintf("%q", config), log.String(), string(asJSON),
	} {
		if strings.Contains(shown, "hush") || !strings.Contains(shown, "someone") {
			t.Errorf("shown as %s", shown)
		}
	}
}
