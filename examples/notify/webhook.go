package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// callLimit is how long the webhook may take to answer.
const callLimit = 10 * time.Second

// event is the body of one call.
type event struct {
	ID      string        `json:"id"`     // the same when a call is repeated
	Event   string        `json:"event"`  // down or back
	Tunnel  string        `json:"tunnel"` // OWNER/NAME
	State   tunnel.State  `json:"state"`
	Reason  tunnel.Reason `json:"reason,omitempty"`
	Message string        `json:"message,omitempty"`
	Remedy  string        `json:"remedy,omitempty"`
	Since   time.Time     `json:"since"` // of the outage
	Time    time.Time     `json:"time"`  // of the event
}

// client leaves no connection open, and takes a secret nowhere but where it was told to.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// post makes one call. Its error does not name the URL, which is a secret.
func post(ctx context.Context, s settings, e event) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return errors.New("the setting url is not a URL")
	}
	req.Header.Set("Content-Type", "application/json")
	if a := s.Authorization.Reveal(); a != "" {
		req.Header.Set("Authorization", a)
	}
	res, err := client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("it answered %s", tunnel.Clean(res.Status, 60))
	}
	return nil
}

func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
