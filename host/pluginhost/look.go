package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// hashed is the checksum of a file as long as nothing about it changes. A look goes by it; a start hashes again.
type hashed struct {
	identity identity
	sha      string
}

// identity is what changes of a file whenever its content does.
type identity struct {
	dev, ino          uint64
	size              int64
	modified, changed unix.Timespec
}

func identityOf(st *unix.Stat_t) identity {
	return identity{dev: st.Dev, ino: st.Ino, size: st.Size, modified: st.Mtim, changed: st.Ctim}
}

// settled reports whether the file was last touched so long ago that another change must show: the kernel's clock for
// files ticks coarsely.
func (i identity) settled() bool { return time.Since(time.Unix(i.changed.Unix())) > 2*time.Second }

// Look looks at the plugin directory now. It waits for no process. Without the directory there are no modules. One that
// is not safe or cannot be read is an error: what was known stays so, and nothing is started from it.
func (h *Host) Look(ctx context.Context) error {
	select {
	case h.looking <- struct{}{}:
		defer func() { <-h.looking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := h.look(ctx)
	if ctx.Err() == nil {
		h.ended()
	}
	return err
}

// Looked waits until the plugin directory was looked at for the first time, whatever came of that: before, nobody knows
// which modules there are. Its error is ctx's.
func (h *Host) Looked(ctx context.Context) error {
	select {
	case <-h.looked:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Host) look(ctx context.Context) error {
	seen, err := h.scan(ctx)
	if err != nil {
		return err
	}
	for name := range seen {
		if _, err := h.module(ctx, name); err != nil {
			return err
		}
	}
	var present []tunnel.Owner
	for _, m := range h.all() {
		if m.see(seen[m.name]) {
			present = append(present, m.name)
		}
	}
	h.cfg.Catalog.SetPresent(present)
	if err := h.copies.only(seen); err != nil {
		h.cfg.Log.Warn("copies of binaries that are gone are not all gone", "error", err)
	}
	return nil
}

// lookRegularly looks now and then; last is what the last look came to.
func (h *Host) lookRegularly(ctx context.Context, last error) {
	t := time.NewTicker(h.lookEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			last = h.lookAndLog(ctx, last)
			h.renewProcesses()
		case <-ctx.Done():
			return
		}
	}
}

// lookAndLog looks and logs what is wrong with the directory itself, unless it is the same as last time.
func (h *Host) lookAndLog(ctx context.Context, last error) error {
	err := h.Look(ctx)
	if err != nil && ctx.Err() == nil && fmt.Sprint(err) != fmt.Sprint(last) {
		h.cfg.Log.Error("plugin directory cannot be used", "error", err)
	}
	return err
}

// scan reads the directory: what lies under each name that a module can have.
func (h *Host) scan(ctx context.Context) (map[tunnel.Owner]found, error) {
	d, err := openDirectory(h.cfg.Dir, h.cfg.AllowOwn)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.names()
	if err != nil {
		return nil, err
	}
	before := h.hashes
	h.hashes = make(map[string]hashed) // those of files that are gone are forgotten
	seen := make(map[tunnel.Owner]found)
	for _, name := range names {
		if fs := tunnel.CheckName(name, tunnel.MaxName); len(fs) > 0 {
			continue // hello.new, README: not meant for us
		}
		f, err := h.inspect(ctx, d, name, before[name])
		if errors.Is(err, os.ErrNotExist) {
			continue // gone since the listing
		}
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		seen[tunnel.Owner(name)] = f
	}
	return seen, nil
}

// inspect judges one file and finds its checksum.
func (h *Host) inspect(ctx context.Context, d *directory, name string, before hashed) (found, error) {
	if tunnel.Owner(name) == tunnel.Operator {
		return found{there: true, problem: &unusable{tunnel.NameMismatch, "operator is the built-in owner of tunnels without a module: no module can have that name", "give the file its module's name"}}, nil
	}
	f, st, err := d.open(name)
	if errors.Is(err, os.ErrNotExist) {
		return found{}, err
	}
	if err == nil {
		defer f.Close()
		now := hashed{identity: identityOf(&st), sha: before.sha}
		if now.identity != before.identity {
			now.sha, err = hash(ctx, f)
		}
		if err == nil {
			if now.identity.settled() {
				h.hashes[name] = now
			}
			return found{there: true, sha: now.sha, size: st.Size, uid: st.Uid, modified: st.Mtim}, nil
		}
	}
	var u *unusable
	if !errors.As(asUnusable(err), &u) {
		return found{}, err
	}
	return found{there: true, problem: u}, nil
}

// see takes what a look found, and reports whether the module is installed: its binary can run, or runs. Nothing
// happens where it is what was there before.
func (m *module) see(f found) (installed bool) {
	m.mu.Lock()
	same := m.found.equal(f)
	installed = f.sha != "" || f.there && (m.life != dead || m.copiedLocked())
	m.mu.Unlock()
	if !same {
		m.update(func() {
			if m.found.sha != f.sha {
				m.pending, m.mute = nil, nil
			}
			if !f.there {
				m.kept = "" // it goes, too
			}
			m.found = f
			if m.mute == nil && m.otherLocked() && m.rejected.SHA256 == f.sha {
				m.mute = m.rejected.unusable() // before the daemon started, perhaps
			}
		})
	}
	return installed
}

func (f found) equal(g found) bool {
	if f.problem == nil || g.problem == nil {
		return f == g
	}
	return *f.problem == *g.problem // and with a problem, nothing else is known
}
