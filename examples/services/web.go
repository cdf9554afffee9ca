package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
)

type web struct {
	Host string `json:"host" title:"Name in its certificate"`
}

// try fetches the first page by the server's own name.
func (w web) try(ctx context.Context, dial connect, trust *tls.Config) (string, error) {
	c := &http.Client{Transport: &http.Transport{DialContext: dial, TLSClientConfig: trust, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+w.Host+"/", nil)
	if err != nil {
		return "", err
	}
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return fmt.Sprintf("%s, %d bytes", res.Status, n), err
}
