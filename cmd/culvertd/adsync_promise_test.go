package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// promise is something that a PBX keeps whose directory is behind the module's tunnel, and cannot keep without that.
type promise struct {
	name  string
	holds func(way) error // nil: it holds
}

// way leads to the directory, by the module. keeps alone gives one to anybody, so nothing that is said of a directory can
// have been tried with the tunnel alone.
type way struct {
	*domain
	closed bool
}

// keeps tries each promise twice: without the tunnel, where none may hold and nothing may change, and with it, where each
// must.
func (d *domain) keeps(all ...promise) {
	d.t.Helper()
	before := d.users()
	d.must("tunnel", "disable", domainTunnel)
	for _, p := range all {
		if p.holds(way{d, true}) == nil {
			d.t.Errorf("%s: that holds without the tunnel, too", p.name)
		}
	}
	if after := d.users(); !slices.Equal(after, before) {
		d.t.Errorf("%s: without the tunnel it changes\n%s\nto\n%s", all[0].name, strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	d.must("tunnel", "enable", domainTunnel)
	d.waitLink()
	for _, p := range all {
		if err := p.holds(way{d, false}); err != nil {
			d.t.Errorf("%s: %v", p.name, err)
		}
	}
}

// run synchronises, and returns what the module says of it. Without the tunnel it ends badly, and in time.
func (w way) run() (r runJSON, err error) {
	began := time.Now()
	w.cli("", "job", "run", "adsync/default", "sync", "--wait")
	if took := time.Since(began); took > 60*time.Second {
		w.t.Errorf("a run takes %v", took)
	}
	switch r, err = w.report(); {
	case err != nil || r.Started.Before(began.Add(-time.Second)):
		err = fmt.Errorf("there was no run: the last one is of %v, %v", r.Started, err)
		w.t.Error(err) // no promise fails by that
		return r, err
	case w.closed && (r.Outcome != "failed" || r.Server != ""):
		w.t.Errorf("without the tunnel a run ends %+v", r)
	}
	return r, nil
}

// syncs is the promise that a run changes so much, and that the users are these then.
func (d *domain) syncs(name, changes string, users ...string) promise {
	return promise{name, func(w way) error {
		r, err := w.run()
		switch {
		case err != nil:
			return err
		case r.Outcome == "failed" || r.changes() != changes || len(r.Hints) > 0:
			return fmt.Errorf("it says %+v", r)
		}
		return w.hasUsers(users...)
	}}
}

// stops is the promise that a run fails for a reason, which it says in its report, and changes nothing.
func (d *domain) stops(name string, reason func(runJSON) bool, users ...string) promise {
	return promise{name, func(w way) error {
		r, err := w.run()
		switch {
		case err != nil:
			return err
		case r.Outcome != "failed" || !reason(r):
			return fmt.Errorf("it says %+v", r)
		}
		return w.hasUsers(users...)
	}}
}

func (d *domain) hasUsers(want ...string) error {
	if got := d.users(); !slices.Equal(got, want) {
		return fmt.Errorf("the PBX has\n%s", strings.Join(got, "\n"))
	}
	return nil
}

// answers is the promise of the login check's answer.
func (d *domain) answers(user, password string, code int, reason string) promise {
	return promise{fmt.Sprintf("a login of %q with %q", user, password), func(w way) error {
		return w.login(user, password, code, reason)
	}}
}

// login asks, as a program on the PBX does, whether a password is right. Without the tunnel nobody can say.
func (w way) login(user, password string, code int, reason string) error {
	got, why, err := w.verify(user, password)
	switch {
	case err != nil:
		return err
	case w.closed && password != "" && got != http.StatusServiceUnavailable:
		w.t.Errorf("without the tunnel a login of %q is answered %d %q", user, got, why)
	case got != code || why != reason:
		return fmt.Errorf("the answer is %d %q, not %d %q", got, why, code, reason)
	}
	return nil
}

func (d *domain) verify(user, password string) (code int, reason string, err error) {
	body, err := json.Marshal(map[string]string{"user": user, "password": password})
	d.do(err)
	c := http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return d.bed.PBX.Dial(ctx, addr) }}}
	answer, err := c.Post("http://127.0.0.1:7389/v1/auth/verify", "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, "", err
	}
	var got struct{ Reason string }
	return answer.StatusCode, got.Reason, json.Unmarshal(text, &got)
}

// both is the promise that two hold at once: of one that needs no tunnel, with one that does.
func both(name string, all ...promise) promise {
	return promise{name, func(w way) (err error) {
		for _, p := range all {
			err = errors.Join(err, p.holds(w))
		}
		return err
	}}
}
