package lab

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A check is nil when a server answers as it should. It is cheap and may be asked several times a second.
type check func(ctx context.Context) error

// checkTimeout bounds one check: a server that takes longer is not healthy.
const checkTimeout = 3 * time.Second

// answers checks that a GET of the URL is answered with 200. Where trust is nil, the URL is plain HTTP.
func answers(url string, trust trust) check {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		client, err := httpClient(trust)
		if err != nil {
			return err
		}
		defer client.CloseIdleConnections()
		return get(ctx, client, url)
	}
}

func httpClient(trust trust) (*http.Client, error) {
	if trust == nil {
		return &http.Client{Transport: &http.Transport{}}, nil
	}
	config, err := trust()
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}}, nil
}

func get(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 300))
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", url, response.Status, body)
	}
	return nil
}
