package boltstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/store"
)

// writeForever, set to a path, turns this test binary into a process that makes
// one change after the other there and prints the number of each once it
// is acknowledged.
const writeForever = "BOLTSTORE_TEST_WRITE_FOREVER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writeForever); path != "" {
		fmt.Println(countUp(path))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// countUp adds one to the number that stands under two keys, for ever.
func countUp(path string) error {
	d, err := Open(path, Options{})
	if err != nil {
		return err
	}
	for {
		n := 0
		_, err := d.Update(context.Background(), func(tx store.Tx) error {
			old, err := tx.Get("a")
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			n, _ = strconv.Atoi(string(old))
			n++
			value := []byte(strconv.Itoa(n))
			padding := make([]byte, n%5000) // so that the file grows and pages are split and freed
			return errors.Join(tx.Put("a", value), tx.Put(fmt.Sprintf("p/%d", n%50), padding), tx.Put("z", value))
		})
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// child starts a writer on path and returns its lines.
func child(t *testing.T, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), writeForever+"="+path)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.db")
	acknowledged := 0
	rounds := 20
	if os.Getenv("CULVERT_SOAK") != "" {
		rounds = 200
	}
	for round := range rounds {
		cmd, lines := child(t, path)
		first := true
		for lines.Scan() {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatalf("the writer says %q", lines.Text())
			}
			if first { // it is killed at any moment from its first change on
				first = false
				time.AfterFunc(time.Duration(round%20)*3*time.Millisecond+time.Millisecond, func() { _ = cmd.Process.Kill() })
			}
			acknowledged = n
		}
		_ = cmd.Wait()
		checkAfterKill(t, path, acknowledged)
	}
	t.Logf("%d changes were acknowledged in %d rounds", acknowledged, rounds)
}

func checkAfterKill(t *testing.T, path string, acknowledged int) {
	t.Helper()
	d := mustOpen(t, path)
	defer d.Close()
	var a, z []byte
	_, err := d.View(t.Context(), func(r store.Reader) (err error) {
		var err2 error
		a, err = r.Get("a")
		z, err2 = r.Get("z")
		return errors.Join(err, err2)
	})
	if err := errors.Join(err, d.Verify(t.Context())); err != nil {
		t.Fatal(err)
	}
	if n, _ := strconv.Atoi(string(a)); n < acknowledged || string(a) != string(z) {
		t.Fatalf("change %d was acknowledged, the file has a=%s z=%s", acknowledged, a, z)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registry.db")
	_, lines := child(t, path)
	if !lines.Scan() || lines.Text() != "1" {
		t.Fatalf("the writer says %q", lines.Text())
	}
	began := time.Now()
	_, err := Open(path, Options{})
	if took := time.Since(began); !errors.Is(err, store.ErrBusy) || took > 2*time.Second {
		t.Errorf("Open: %v after %v", err, took)
	}
}
