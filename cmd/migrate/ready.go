package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newReady() *cobra.Command {
	return command("ready", "Ask a sync on this machine whether it is well",
		`Asks /readyz of the sync that listens on this machine: exits with 0 where its last cycle ended well, and with 1 otherwise. For
health checks where there is no other program to ask with, as in a container.`,
		`  migrate ready
  migrate ready --listen 127.0.0.1:9321   # MIGRATE_LISTEN_TOKEN, where it has one`,
		[]setting{listen, listenToken}, runReady)
}

func runReady(cmd *cobra.Command, c config) error {
	url, err := readyURL(c.Listen)
	if err != nil {
		return err
	}
	text, err := askReady(cmd.Context(), url, c.ListenToken)
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	fmt.Fprintln(cmd.OutOrStdout(), text)
	return nil
}

// readyURL is where a sync that listens at such an address is asked from its own machine.
func readyURL(listens string) (string, error) {
	host, port, err := net.SplitHostPort(listens)
	if err != nil {
		return "", usageError{fmt.Errorf("listen %q: host:port of the sync to ask", listens)}
	}
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}

// askReady is the answer of a sync that is well, and an error with what it says where it is not.
func askReady(ctx context.Context, url, token string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{}} // past any proxy: it is this machine
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("not well: %s (HTTP %d)", text, resp.StatusCode)
	}
	return text, nil
}
