package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/adapter"
	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
	set "github.com/culvert-pbx/culvert/sdk/settings"
)

func TestMain(m *testing.M) {
	if os.Getenv(asSync) != "" {
		os.Exit(syncOnce())
	}
	goleak.VerifyTestMain(m)
}

// ownFiles is where the files of the PBX are, in the module's directory.
const ownFiles = "files"

// bed is a PBX of files, real servers of a directory, and between them a way that can be closed, as a tunnel is.
type bed struct {
	t       testing.TB
	dir     string
	servers []*slapdtest.Server
	closed  atomic.Bool
	doc     map[string]any
}

// newBed has a PBX without users and a server with these entries.
func newBed(t testing.TB, ldif string) *bed {
	t.Helper()
	s := slapdtest.Start(t, ldif)
	b := &bed{t: t, dir: t.TempDir(), servers: []*slapdtest.Server{s}, doc: map[string]any{}}
	b.set("directory.kind", "openldap")
	b.set("directory.pins", []string{s.Pin})
	b.set("directory.user", slapdtest.Reader)
	b.set("directory.password", slapdtest.Password)
	b.set("numbers.area", "721")
	b.set("numbers.blocks", []string{"+49 721 5000 100-199"})
	b.set("numbers.main", []string{"+49 721 50000"})
	b.has("") // and so its files are there
	return b
}

// set changes a setting.
func (b *bed) set(key string, v any) {
	at := b.doc
	parts := strings.Split(key, ".")
	for _, p := range parts[:len(parts)-1] {
		if at[p] == nil {
			at[p] = map[string]any{}
		}
		at = at[p].(map[string]any)
	}
	at[parts[len(parts)-1]] = v
}

// settings are what the module would be given.
func (b *bed) settings() (s settings) {
	b.t.Helper()
	schema, err := set.Schema(reflect.TypeFor[settings]())
	if err != nil {
		b.t.Fatal(err)
	}
	doc, err := json.Marshal(b.doc)
	if err != nil {
		b.t.Fatal(err)
	}
	if fs := set.Check(schema, doc); len(fs) > 0 {
		b.t.Fatal(fs)
	}
	if err := json.Unmarshal(set.WithDefaults(schema, doc), &s); err != nil {
		b.t.Fatal(err)
	}
	if fs := s.Validate(); len(fs) > 0 {
		b.t.Fatal(fs)
	}
	return s
}

var errClosed = errors.New("the tunnel is closed")

// ends are the directory's servers as the module reaches them.
func (b *bed) ends(s settings) (all []directory.Server) {
	for i, server := range b.servers {
		port := server.Secure
		if s.Directory.Security != directory.LDAPS {
			port = server.Plain
		}
		all = append(all, directory.Server{Name: s.slots()[i].Name, Dial: func(ctx context.Context) (net.Conn, error) {
			if b.closed.Load() {
				return nil, errClosed
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		}})
	}
	return all
}

// in does a step within a context.
func in(ctx context.Context) step {
	held := map[string]bool{}
	return func(name string, do func(context.Context) (string, error), after ...string) {
		for _, other := range after {
			if !held[other] {
				return
			}
		}
		_, err := do(ctx)
		held[name] = err == nil
	}
}

// try synchronises once.
func (b *bed) try(dry, accept bool) (report, error) {
	b.t.Helper()
	s := b.settings()
	users, err := adapter.Open(s.PBX, b.dir, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer users.Close()
	run, err := s.synchronisation(b.dir, b.ends(s), users, accept)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Minute)
	defer cancel()
	err = run.run(in(ctx), dry)
	return run.report, err
}

// sync synchronises, and fails the test where that fails.
func (b *bed) sync() report {
	b.t.Helper()
	r, err := b.try(false, false)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// state is what the PBX has.
func (b *bed) state() pbx.State {
	b.t.Helper()
	users, err := adapter.Open(b.settings().PBX, b.dir, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer users.Close()
	s, err := users.Read(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// users are those of the PBX in lines: login, display name or surname, extension, numbers, and marks.
func (b *bed) users() string {
	b.t.Helper()
	var lines []string
	for _, u := range b.state().Users {
		line := u.Login + ": " + u.Name()
		if u.Extension != "" {
			line += " " + u.Extension
		}
		for _, n := range u.Numbers {
			line += " " + n.E164
		}
		if u.Admin {
			line += " admin"
		}
		if u.Status != pbx.Active {
			line += " " + string(u.Status)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (b *bed) has(lines ...string) {
	b.t.Helper()
	if got, want := b.users(), strings.Join(lines, "\n"); got != want {
		b.t.Errorf("the PBX has\n%s\nand should have\n%s", got, want)
	}
}

// refuses has everything that only the way through the tunnel makes possible tried without it: the run fails, within its
// limits, and changes nothing.
func (b *bed) refusesWithoutTheTunnel() {
	b.t.Helper()
	b.closed.Store(true)
	defer b.closed.Store(false)
	before := b.files()
	began := time.Now()
	r, err := b.try(false, true)
	if directory.CodeOf(err) != directory.Unreachable || r.Outcome != "failed" {
		b.t.Errorf("without the tunnel it ends with %v, %+v", err, r)
	}
	if took := time.Since(began); took > 30*time.Second {
		b.t.Errorf("without the tunnel it takes %v", took)
	}
	if after := b.files(); after != before {
		b.t.Error("without the tunnel it changes the PBX")
	}
}

// files is all that other programs see, as one text.
func (b *bed) files() string {
	b.t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(filepath.Join(b.dir, ownFiles), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s:\n%s\n", path, text)
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal(err)
	}
	return all.String()
}

func dn(uid string) string  { return "uid=" + uid + "," + slapdtest.Base }
func cn(name string) string { return "cn=" + name + "," + slapdtest.Base }
