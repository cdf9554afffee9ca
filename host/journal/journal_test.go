package journal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string, opts Options) *Journal {
	t.Helper()
	j, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return j
}

// event makes the n-th event of a test.
func event(n int) tunnel.Event {
	return tunnel.Event{Type: tunnel.TunnelState, Actor: "host", Subject: "operator/office", Message: fmt.Sprint(n)}
}

// add appends the events from from to below to.
func add(j *Journal, from, to int) {
	for n := from; n < to; n++ {
		j.Append(event(n))
	}
}

// messages reads until the end, which is want.
func messages(t *testing.T, seq iter.Seq2[tunnel.Event, error], want error) (all []string) {
	t.Helper()
	var last error
	for e, err := range seq {
		if last = err; err == nil {
			all = append(all, e.Message)
		}
	}
	if !errors.Is(last, want) {
		t.Fatalf("reading ended with %v, want %v", last, want)
	}
	return all
}

func numbers(from, to int) (all []string) {
	for n := from; n < to; n++ {
		all = append(all, fmt.Sprint(n))
	}
	return all
}

// files returns the names and sizes of the files in dir.
func files(t *testing.T, dir string) (names []string, sizes []int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
		names, sizes = append(names, e.Name()), append(sizes, info.Size())
	}
	return names, sizes
}

func TestEventsComeBackAsTheyWere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "events")
	j := open(t, dir, Options{})
	want := tunnel.Event{
		Time: time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC), Type: tunnel.Refused, Actor: "module:tapi",
		Subject: "monitoring/default.site", Reason: "not-owner", Message: `<"é\n">`, Fields: map[string]string{"state": "up", "was": "down"},
	}
	j.Append(want)
	before := time.Now()
	j.Append(tunnel.Event{Type: tunnel.KeyLearned})
	var got []tunnel.Event
	for e, err := range j.Read(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if len(got) != 2 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
		t.Fatalf("read %v, want %v", got, want)
	}
	if at := got[1].Time; at.Before(before.Round(0)) || at.After(time.Now()) || at.Location() != time.UTC {
		t.Errorf("an event without time was put at %v", at)
	}
	line, err := os.ReadFile(filepath.Join(dir, "events-00000001.jsonl"))
	if want := `{"time":"2026-02-03T04:05:06.000000789Z","type":"refused","actor":"module:tapi","subject":"monitoring/default.site","reason":"not-owner","message":"<\"é\\n\">","fields":{"state":"up","was":"down"}}` + "\n"; err != nil || !strings.HasPrefix(string(line), want) {
		t.Errorf("the file holds %s, %v, want %s", line, err, want)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
}

// What others wrote into an event can neither fill the disk nor drive a terminal.
func TestEventsAreBoundedAndEscaped(t *testing.T) {
	hostile := "\x1b[2J\r\nforged\u202e\x00\xff" + strings.Repeat(`"\`, 100_000)
	fields := map[string]string{}
	for n := range 100 {
		fields[fmt.Sprintf("%03d%s", n, hostile)] = hostile
	}
	e := tunnel.Event{Time: time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC), Type: tunnel.EventType(hostile), Actor: hostile,
		Subject: hostile, Reason: tunnel.Reason(hostile), Message: hostile, Fields: fields}
	dir := t.TempDir()
	j := open(t, dir, Options{})
	j.Append(e)
	j.Append(event(1))

	if _, sizes := files(t, dir); sizes[0] > maxLine {
		t.Errorf("the events have %d bytes", sizes[0])
	}
	var got []tunnel.Event
	for e, err := range j.Read(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if len(got) != 2 || len(got[0].Fields) != maxFields || fmt.Sprint(bounded(got[0])) != fmt.Sprint(got[0]) {
		t.Fatalf("read %d events, the first with %d fields", len(got), len(got[0].Fields))
	}
	for _, bad := range []string{"\x1b", "\r", "\n", "\u202e", "\x00", "\xff"} {
		if strings.Contains(fmt.Sprint(got), bad) {
			t.Errorf("%q came through", bad)
		}
	}
	if len(e.Fields) != 100 {
		t.Error("the caller's event was changed")
	}
}

func TestOldFilesGo(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{FileSize: 1000, Files: 3})
	add(j, 0, 100)
	names, sizes := files(t, dir)
	if len(names) != 3 || slices.Max(sizes) > 1000 {
		t.Fatalf("files %v of %v bytes", names, sizes)
	}
	got := messages(t, j.Read(t.Context()), nil)
	if len(got) < 15 || !slices.Equal(got, numbers(100-len(got), 100)) {
		t.Errorf("read %v", got)
	}
}

func TestReopeningGoesOn(t *testing.T) {
	dir := t.TempDir()
	opts := Options{FileSize: 1000, Files: 100}
	for n := 0; n < 60; n += 20 {
		j, err := Open(dir, opts)
		if err != nil {
			t.Fatal(err)
		}
		add(j, n, n+20)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := messages(t, open(t, dir, opts).Read(t.Context()), nil); !slices.Equal(got, numbers(0, 60)) {
		t.Errorf("read %v", got)
	}
	fewer := open(t, dir, Options{FileSize: 1000, Files: 2})
	add(fewer, 60, 61)
	if names, _ := files(t, dir); len(names) != 2 {
		t.Errorf("files %v", names)
	}
}

// A crash can leave part of a line, at the end of the newest file or, where files
// were put back by hand, of an older one; the events around it stay.
func TestTornLines(t *testing.T) {
	const torn = `{"time":"2026-01-01T00:00:00Z","type":"refused","mess`
	for name, junk := range map[string]string{
		"torn": torn, "no JSON": "what?\n", "not an event": "[]\n{}\nnull\n", "empty lines": "\n\n", "binary": "\x00\x01\xff\n",
		"an endless line": strings.Repeat("x", 3*maxLine), "a long line": strings.Repeat("x", 3*maxLine) + "\n",
		"a long line that ends like an event": strings.Repeat("x", maxLine) + string(encode(event(99))),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir, Options{})
			add(j, 0, 3)
			appendTo(t, j.path(1), junk)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			j = open(t, dir, Options{})
			if content, err := os.ReadFile(j.path(1)); err != nil || !strings.HasSuffix(string(content), "\n") {
				t.Errorf("after opening the file ends in the middle of a line: %v", err)
			}
			add(j, 3, 6)
			if got := messages(t, j.Read(t.Context()), nil); !slices.Equal(got, numbers(0, 6)) {
				t.Errorf("read %v", got)
			}
		})
	}
	t.Run("in an older file", func(t *testing.T) {
		j := open(t, t.TempDir(), Options{FileSize: 500})
		add(j, 0, 10)
		appendTo(t, j.path(1), torn)
		if got := messages(t, j.Read(t.Context()), nil); !slices.Equal(got, numbers(0, 10)) {
			t.Errorf("read %v", got)
		}
	})
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"events-x.jsonl", "events-1.jsonl", "events-00000009.jsonl.bak", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("keep"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	j := open(t, dir, Options{FileSize: 300, Files: 2})
	add(j, 0, 20)
	if names, _ := files(t, dir); len(names) != 6 {
		t.Errorf("files %v", names)
	}
}

func TestManyAppendAtOnce(t *testing.T) {
	j := open(t, t.TempDir(), Options{FileSize: 5000, Files: 1000})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() { add(j, w*100, w*100+100) })
	}
	wg.Wait()
	got := messages(t, j.Read(t.Context()), nil)
	slices.Sort(got)
	want := numbers(0, 800)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("read %d events, want 800", len(got))
	}
}

// A disk that refuses is told once, and once more when it works again; no
// event that came before or after is lost.
func TestTroubleIsToldOnce(t *testing.T) {
	var told []error
	dir := t.TempDir()
	j := open(t, dir, Options{Trouble: func(err error) { told = append(told, err) }})
	add(j, 0, 2)

	good := j.file
	bad, err := os.Open(j.path(1)) // writing to it is refused
	if err != nil {
		t.Fatal(err)
	}
	j.file = bad
	add(j, 100, 105)
	if len(told) != 1 || told[0] == nil {
		t.Fatalf("told %v, want one error", told)
	}
	j.file = good
	if err := bad.Close(); err != nil {
		t.Fatal(err)
	}
	add(j, 2, 4)
	if len(told) != 2 || told[1] != nil {
		t.Fatalf("told %v, want that it works again", told)
	}
	if got := messages(t, j.Read(t.Context()), nil); !slices.Equal(got, numbers(0, 4)) {
		t.Errorf("read %v", got)
	}

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	add(j, 4, 6)
	if len(told) != 3 || !errors.Is(told[2], ErrClosed) {
		t.Errorf("told %v, want that it is closed", told)
	}
}

func TestNextFileCannotBeMade(t *testing.T) {
	var told []error
	dir := t.TempDir()
	j := open(t, dir, Options{FileSize: 500, Trouble: func(err error) { told = append(told, err) }})
	if err := os.Mkdir(j.path(2), 0o700); err != nil {
		t.Fatal(err)
	}
	add(j, 0, 20)
	if len(told) != 1 {
		t.Fatalf("told %v, want one error", told)
	}
	n := len(messages(t, j.Read(t.Context()), nil))
	if err := os.Remove(j.path(2)); err != nil {
		t.Fatal(err)
	}
	add(j, n, n+10)
	if got := messages(t, j.Read(t.Context()), nil); !slices.Equal(got, numbers(0, n+10)) {
		t.Errorf("read %v", got)
	}
}

func TestOpenFailsWhereItCannotWrite(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/dev/null", filepath.Join(dir, "events-00000001.jsonl")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil {
		t.Error("it opened a symbolic link")
	}
	if _, err := Open("/dev/null", Options{}); err == nil {
		t.Error("it opened a file as directory")
	}
}

func TestReadHeedsItsContext(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	add(j, 0, 5)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range j.Read(ctx) {
		if cancel(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d turns, want an event and the error", n)
	}
}
