package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

const (
	maxQueue = 100 // events that wait for the webhook; further ones push out the oldest
	minPause = time.Second
	maxPause = 5 * time.Minute
	never    = 24 * time.Hour // to look again when nothing is due
)

// memory is what notify knows of the tunnels and has yet to tell. It is kept in a file of the configuration's directory,
// so a restart tells nothing twice and forgets nothing.
type memory struct {
	Down  map[string]*outage `json:"down"` // by OWNER/NAME
	Queue []event            `json:"queue"`

	in    *sdk.Instance[settings]
	seen  map[string]bool // since the watch began anew
	saved []byte
	pause time.Duration // before the next call, after one that failed
	retry time.Time
}

// outage is one tunnel being down.
type outage struct {
	Since time.Time `json:"since"`
	Told  bool      `json:"told"`
	Last  event     `json:"last"` // what would be told now
}

func (m *memory) path() string { return filepath.Join(m.in.Dir, "state.json") }

func open(in *sdk.Instance[settings]) (*memory, error) {
	m := &memory{Down: map[string]*outage{}, in: in, seen: map[string]bool{}}
	text, err := os.ReadFile(m.path())
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil && json.Unmarshal(text, m) != nil {
		in.Log.Warn("what was told before is lost: the file is damaged", "file", m.path())
		m.Down, m.Queue = map[string]*outage{}, nil
	}
	return m, err
}

// save writes what has changed, as a whole or not at all.
func (m *memory) save() error {
	text, err := json.Marshal(m)
	if err != nil || bytes.Equal(text, m.saved) {
		return err
	}
	if err := os.WriteFile(m.path()+".new", text, 0o600); err != nil {
		return err
	}
	m.saved = text
	return os.Rename(m.path()+".new", m.path())
}

// see takes in one change of the watch.
func (m *memory) see(c tunnel.Change, now time.Time) {
	name, s := c.Tunnel.Ref.String(), c.Tunnel.Status
	switch c.Type {
	case tunnel.Resync:
		clear(m.seen)
	case tunnel.Synced: // whatever has not come by now went while nobody looked
		for name := range m.Down {
			if !m.seen[name] {
				m.back(name, event{State: "removed"}, now)
			}
		}
	case tunnel.Removed:
		m.back(name, event{State: "removed"}, now)
	case tunnel.Present, tunnel.Changed:
		m.seen[name] = true
		e := event{Tunnel: name, State: s.State, Reason: s.Reason, Message: s.Message, Remedy: s.Remedy}
		if !m.down(s.State) {
			m.back(name, e, now)
		} else if m.Down[name] == nil {
			m.Down[name] = &outage{Since: now, Last: e}
		} else {
			m.Down[name].Last = e
		}
	}
}

// down reports whether a state is one to tell. A tunnel that the operator switched off is not down.
func (m *memory) down(s tunnel.State) bool {
	switch s {
	case tunnel.Connecting, tunnel.Waiting, tunnel.Blocked:
		return true
	}
	return s == tunnel.Degraded && m.in.Settings.Degraded
}

// back ends an outage, and tells it where its begin was told.
func (m *memory) back(name string, e event, now time.Time) {
	if o := m.Down[name]; o != nil && o.Told {
		e.Tunnel = name
		m.enqueue("back", e, o.Since, now)
	}
	delete(m.Down, name)
}

func (m *memory) enqueue(what string, e event, since, now time.Time) {
	e.Event, e.Since, e.Time = what, since.UTC(), now.UTC()
	e.ID = fmt.Sprintf("%s-%d-%s", e.Tunnel, since.UnixMilli(), what)
	if m.Queue = append(m.Queue, e); len(m.Queue) > maxQueue {
		m.in.Log.Warn("too much to tell: the oldest is dropped", "event", m.Queue[0].ID)
		m.Queue = m.Queue[1:]
	}
}

// next is when there is something to do.
func (m *memory) next() time.Time {
	at := time.Now().Add(never)
	if len(m.Queue) > 0 {
		at = m.retry
	}
	for _, o := range m.Down {
		if due := o.Since.Add(m.after()); !o.Told && due.Before(at) {
			at = due
		}
	}
	return at
}

func (m *memory) after() time.Duration { return time.Duration(m.in.Settings.After) * time.Second }

// tell queues what is due, and calls the webhook with the oldest that waits.
func (m *memory) tell(ctx context.Context, now time.Time) {
	for _, o := range m.Down {
		if !o.Told && !now.Before(o.Since.Add(m.after())) {
			o.Told = true
			m.enqueue("down", o.Last, o.Since, now)
		}
	}
	if len(m.Queue) == 0 || now.Before(m.retry) {
		return
	}
	if err := post(ctx, m.in.Settings, m.Queue[0]); err != nil {
		m.pause = min(max(2*m.pause, minPause), maxPause)
		m.retry = time.Now().Add(m.pause)
		m.in.Log.Warn("the webhook was not reached", "event", m.Queue[0].ID, "error", err, "again in", m.pause)
		return
	}
	m.in.Log.Info("told", "event", m.Queue[0].ID)
	m.Queue, m.pause, m.retry = m.Queue[1:], 0, time.Time{}
}
