package cutover

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"migrate/internal/export"
	"migrate/internal/model"
)

//go:embed certificate.html
var pageText string

var page = template.Must(template.New("certificate").Funcs(template.FuncMap{
	"time":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"hash":   func(h model.Digest) string { return fmt.Sprintf("%016x", uint64(h)) },
	"schema": schemaText,
	"join":   strings.Join,
}).Parse(pageText))

// HTML is the page that prints; it loads nothing from the network. The SHA-256 on it is that of the JSON document.
func (c Certificate) HTML() ([]byte, error) {
	document, err := c.JSON()
	if err != nil {
		return nil, err
	}
	var seal struct {
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(document, &seal); err != nil {
		return nil, fmt.Errorf("reading the certificate's seal: %w", err)
	}
	var text bytes.Buffer
	if err := page.Execute(&text, struct {
		Certificate
		SHA256 string
	}{c, seal.SHA256}); err != nil {
		return nil, fmt.Errorf("making the certificate's page: %w", err)
	}
	return text.Bytes(), nil
}

func schemaText(s export.Schema) (string, error) {
	text, err := protojson.Marshal(s.CollectionSchema)
	if err != nil {
		return "", err
	}
	var lines bytes.Buffer // protojson's own layout differs from run to run, on purpose
	err = json.Indent(&lines, text, "", "  ")
	return lines.String(), err
}
