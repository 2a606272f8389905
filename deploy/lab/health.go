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
		_, err = get(ctx, client, url)
		return err
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

// get is the answer to a GET of the URL, an error unless it is 200.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", url, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	const most = 64 << 20
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %.300s", url, response.Status, body)
	}
	return body, nil
}
