package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/adapter"
	"github.com/culvert-pbx/culvert/plugins/internal/slapdtest"
)

// asSync makes this program synchronise once, for who kills it meanwhile: its value is an errand.
const asSync = "ADSYNC_TEST_SYNC"

// errand is what the program under the knife is to do.
type errand struct {
	Settings settings
	Password string // settings do not tell it
	Dir      string
	Port     int
}

// syncOnce is that program.
func syncOnce() int {
	frugal()
	var e errand
	if err := json.Unmarshal([]byte(os.Getenv(asSync)), &e); err != nil {
		panic(err)
	}
	fmt.Println("begun")
	users, err := adapter.Open(e.Settings.PBX, e.Dir, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	end := directory.Server{Name: "dc1-ldaps", Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Port)))
	}}
	run, err := e.Settings.synchronisation(e.Dir, []directory.Server{end}, users, true)
	if err == nil {
		run.config.Password = e.Password
		err = errors.Join(run.run(in(context.Background()), false), writeJSON(filepath.Join(e.Dir, reportFile), run.report))
	}
	if err := errors.Join(err, users.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// start starts the program, and returns when it begins.
func (b *bed) start() *exec.Cmd {
	b.t.Helper()
	text, err := json.Marshal(errand{b.settings(), slapdtest.Password, b.dir, b.servers[0].Secure})
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asSync+"="+string(text), "GORACE=atexit_sleep_ms=0") // else most kills would hit that sleep
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		b.t.Fatalf("it does not begin: %v, %v", err, cmd.Wait())
	}
	return cmd
}

// However often and whenever a synchronisation is killed, nobody is lost, nobody is there twice, no reader ever finds half
// a file, and the next one ends where an undisturbed one would.
func TestKilledAtAnyMomentItLosesNothing(t *testing.T) {
	const people = 100
	kills := 50
	if os.Getenv("CULVERT_SOAK") != "" {
		kills = 500
	}
	var ldif strings.Builder
	for i := range people {
		ldif.WriteString(slapdtest.Person("", fmt.Sprintf("u%03d", i), "Number", "first"))
	}
	b := newBed(t, ldif.String())
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	first := b.start()
	began := time.Now()
	if err := first.Wait(); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(began)
	dead, late, n := 0, 0, 0
	for ; dead < kills; n++ {
		if n > 20*kills {
			t.Fatalf("of %d runs only %d could be killed", n, dead)
		}
		b.rename(n, people)
		before := b.files()
		cmd := b.start()
		timer := time.AfterFunc(time.Duration(rnd.Int64N(2*int64(whole))), func() { _ = cmd.Process.Kill() })
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		ended := error(nil)
		for watching := true; watching; {
			select {
			case ended = <-done:
				watching = false
			case <-time.After(5 * time.Millisecond):
				b.whole(people)
			}
		}
		timer.Stop()
		if ended != nil {
			dead++
		}
		if ended != nil && b.files() != before {
			late++
		}
		b.whole(people)
		if users := b.state().Users; len(users) != people {
			t.Fatalf("after kill %d there are %d users", dead, len(users))
		}
	}
	t.Logf("seed %d: %d of %d runs, of %v each, were killed before their end, %d of these with the files written", seed, dead, n, whole, late)
	if err := b.start().Wait(); err != nil {
		t.Fatal(err)
	}
	if r := b.sync(); r.Counts.Unchanged != people {
		t.Errorf("in the end a run still says %+v", r.Counts)
	}
}

// rename gives ten people another name, so that a run has something to do.
func (b *bed) rename(n, people int) {
	b.t.Helper()
	b.servers[0].Edit(func(l *ldap.Conn) error {
		for i := range 10 {
			m := ldap.NewModifyRequest(dn(fmt.Sprintf("u%03d", (n*10+i)%people)), nil)
			m.Replace("sn", []string{fmt.Sprintf("name %d", n)})
			if err := l.Modify(m); err != nil {
				return err
			}
		}
		return nil
	})
}

// whole reads what other programs read: every file is whole, with everybody in it once.
func (b *bed) whole(people int) {
	b.t.Helper()
	f, err := os.Open(filepath.Join(b.dir, ownFiles, "users.csv"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		b.t.Fatalf("half a file: %v", err)
	}
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		seen[row[1]] = true
	}
	if len(rows) != people+1 || len(seen) != people {
		b.t.Fatalf("a reader finds %d rows and %d users", len(rows)-1, len(seen))
	}
	for _, name := range []string{filepath.Join(ownFiles, "directory.json"), reportFile} {
		text, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && !json.Valid(text) {
			b.t.Fatalf("half of %s: %v", name, err)
		}
	}
}
