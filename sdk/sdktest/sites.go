package sdktest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// sites are the far ends of all the module's tunnels: what listens there, what is wrong with them, and which
// connections are open.
type sites struct {
	mu        sync.Mutex
	changed   chan struct{} // closed and replaced whenever something below it changes
	services  map[string]func(net.Conn)
	others    func(net.Conn) // what answers where no service is named, nil for nothing
	faults    map[string]Fault
	granted   []tunnel.Grant
	measured  []tunnel.ModuleMetrics // by the modules there are
	listeners map[string]*listener
	open      map[*conn]origin // the module's ends
	served    map[*conn]bool   // the far ends at services
	serving   sync.WaitGroup
}

// origin is the site that a connection is with, and the configuration that it is of.
type origin struct{ site, configuration string }

// newSites are those where services answer.
func newSites(services map[string]func(net.Conn)) *sites {
	s := &sites{
		changed: make(chan struct{}), services: map[string]func(net.Conn){}, faults: map[string]Fault{},
		listeners: map[string]*listener{}, open: map[*conn]origin{}, served: map[*conn]bool{},
	}
	maps.Copy(s.services, services)
	return s
}

// change changes something and wakes whoever waits for it.
func (s *sites) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait returns when f returns true, which is looked at after every change, or when ctx ends.
func (s *sites) wait(ctx context.Context, f func() bool) error {
	for {
		s.mu.Lock()
		ok, changed := f(), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fault sets what is wrong with a site and lets its open connections feel it.
func (s *sites) fault(site string, f Fault) {
	s.change(func() {
		s.faults[site] = f
		for c, at := range s.open {
			if at.site != site {
				continue
			}
			c.impair(f.frozen, f.delay)
			if f.cut {
				c.reset()
			}
		}
	})
}

// lose resets the open connections for which f holds.
func (s *sites) lose(f func(origin) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, at := range s.open {
		if f(at) {
			c.reset()
		}
	}
}

// revoke closes the listener for a port of this machine, and resets the connections through that port.
func (s *sites) revoke(key string) {
	s.mu.Lock()
	l := s.listeners[key]
	for c := range s.open {
		if string(c.name) == key {
			c.reset()
		}
	}
	s.mu.Unlock()
	if l != nil {
		_ = l.Close()
	}
}

// silence has nothing answer anywhere.
func (s *sites) silence() {
	s.change(func() { s.others, s.services = nil, map[string]func(net.Conn){} })
}

// serves reports whether something answers behind a mapping, and named whether a test said what.
func (s *sites) serves(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serviceLocked(key) != nil
}

func (s *sites) named(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.services[key] != nil
}

// connectLocked makes a connection between the module, whose end is the first, and a site. Over a link that was cut
// meanwhile it is lost at once.
func (s *sites) connectLocked(at origin, mapping string) (module, far *conn) {
	module, far = newConns(at.site + "/" + mapping)
	f := s.faults[at.site]
	module.impair(f.frozen, f.delay)
	if f.cut {
		module.reset()
	}
	s.open[module] = at
	module.closed = func() { s.change(func() { delete(s.open, module) }) }
	return module, far
}

// serviceLocked is what answers behind a mapping, nil where nothing does.
func (s *sites) serviceLocked(key string) func(net.Conn) {
	if serve := s.services[key]; serve != nil {
		return serve
	}
	return s.others
}

// dial waits until the site serves the mapping and nothing freezes it.
func (s *sites) dial(ctx context.Context, at origin, mapping string) (net.Conn, error) {
	key := at.site + "/" + mapping
	if err := s.wait(ctx, func() bool { return s.serviceLocked(key) != nil && !s.faults[at.site].frozen }); err != nil {
		return nil, err
	}
	var module *conn
	s.change(func() {
		var far *conn
		module, far = s.connectLocked(at, mapping)
		serve := s.serviceLocked(key)
		s.served[far] = true
		s.serving.Go(func() {
			pprof.SetGoroutineLabels(context.Background()) // not the module's, whose call started it
			defer s.change(func() { delete(s.served, far) })
			defer far.Close()
			serve(far)
		})
	})
	return module, nil
}

// visitLimit is how long a visitor waits for the module to listen.
const visitLimit = 10 * time.Second

// visitSoon is visit for somebody who does not wait for ever.
func (s *sites) visitSoon(site, mapping string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), visitLimit)
	defer cancel()
	return s.visit(ctx, site, mapping)
}

// visit waits until the module listens for the mapping and nothing freezes it, and connects to it. Without a link the
// port is not there.
func (s *sites) visit(ctx context.Context, site, mapping string) (net.Conn, error) {
	key := site + "/" + mapping
	if err := s.wait(ctx, func() bool { return s.listeners[key] != nil && !s.faults[site].frozen }); err != nil {
		return nil, fmt.Errorf("the module does not listen for %s: %w", key, err)
	}
	var far *conn
	var err error
	s.change(func() { far, err = s.visitLocked(site, mapping) })
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", key, err)
	}
	return far, nil
}

func (s *sites) visitLocked(site, mapping string) (*conn, error) {
	l := s.listeners[site+"/"+mapping]
	if l == nil || s.faults[site].unlinked() {
		return nil, syscall.ECONNREFUSED
	}
	module, far := s.connectLocked(origin{site, l.configuration}, mapping)
	if err := l.offer(module); err != nil {
		delete(s.open, module)
		return nil, err
	}
	return far, nil
}

// listen makes the module's listener for a mapping.
func (s *sites) listen(at origin, mapping string) (net.Listener, error) {
	key := at.site + "/" + mapping
	var l *listener
	s.change(func() {
		if s.listeners[key] != nil {
			return
		}
		l = newListener(key, func(l *listener) {
			s.change(func() {
				if s.listeners[key] == l {
					delete(s.listeners, key)
				}
			})
		})
		l.configuration = at.configuration
		s.listeners[key] = l
	})
	if l == nil {
		return nil, tunnel.Findings{{
			Code: tunnel.Exists, Field: "mapping", Value: key,
			Message: "the module listens for this mapping already", WayOut: "close the other listener first",
		}}
	}
	return l, nil
}

// asWanted is the sentence of every fault.
const asWanted = "as the test wants it"

// status is how the simulated link of a tunnel is.
func (s *sites) status(v tunnel.View, site string) tunnel.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.faults[site]
	up := tunnel.Statement{State: tunnel.Up, At: time.Now()}
	fails := tunnel.Statement{State: tunnel.Down, Reason: f.reason, Message: asWanted, At: up.At}
	st := tunnel.Status{State: tunnel.Up, Link: up}
	for _, m := range v.Mappings {
		ms := tunnel.MappingStatus{Name: m.Name, State: tunnel.Up, Bound: tunnel.BoundUnknown, Listener: up}
		if m.Kind.Reaches() {
			ms.Target = up
		}
		switch {
		case f.state != "" && (!f.mappings || m.Kind.Reaches()):
			ms.State, ms.Reason, ms.Target = tunnel.Down, f.reason, fails
		case m.Kind.Reaches() && s.serviceLocked(site+"/"+m.Name) == nil:
			ms.State, st.State, ms.Target = tunnel.Down, tunnel.Connecting, tunnel.Statement{}
		}
		st.Mappings = append(st.Mappings, ms)
	}
	if f.state != "" {
		st.State, st.Reason, st.Message = f.state, f.reason, asWanted
	}
	if f.unlinked() {
		st.Link = fails
		for i := range st.Mappings {
			st.Mappings[i].Listener, st.Mappings[i].Target = fails, tunnel.Statement{}
		}
	}
	return st
}

// listening names the mappings that a configuration listens for.
func (s *sites) listening(configuration string) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, l := range s.listeners {
		if l.configuration == configuration {
			names = append(names, key)
		}
	}
	slices.Sort(names)
	return names
}

// left names the connections that a configuration has not closed.
func (s *sites) left(configuration string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for c, at := range s.open {
		if at.configuration == configuration {
			names = append(names, string(c.name))
		}
	}
	slices.Sort(names)
	return names
}

// end resets what is open, also at the far end alone, and waits until the services have returned.
func (s *sites) end() {
	s.lose(func(origin) bool { return true })
	s.mu.Lock()
	for far := range s.served {
		far.reset()
		far.impair(false, 0)
	}
	s.mu.Unlock()
	s.serving.Wait()
}

// siteOf is what a test calls the site of a tunnel: the settings key, behind the name of a configuration that is not the
// default one, or an operator-made tunnel's name.
func siteOf(ref tunnel.Ref) string { return strings.TrimPrefix(string(ref.Name), Configuration+".") }
