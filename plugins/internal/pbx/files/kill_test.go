package files_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
	"github.com/culvert-pbx/culvert/plugins/internal/pbx/files"
)

// crowd is how many users are changed at once by the writer that is killed.
const crowd = 100

// asWriter makes the test binary the writer of a directory.
const asWriter = "CULVERT_TEST_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asWriter); dir != "" {
		write(dir)
	}
	goleak.VerifyTestMain(m)
}

// write applies one generation after the other, and says each before and after it, until it is killed.
func write(dir string) {
	ctx := context.Background()
	a, err := files.Open(config(dir), twoFiles(nil))
	for err == nil {
		var have pbx.State
		if have, err = a.Read(ctx); err != nil {
			break
		}
		g := generationOf(have) + 1
		fmt.Println("begin", g)
		if _, err = a.Apply(ctx, pbx.Diff(have, generation(g))); err == nil {
			fmt.Println("done", g)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func config(dir string) files.Config {
	return files.Config{Record: filepath.Join(dir, "own"), Dir: filepath.Join(dir, "pbx")}
}

// generation is a state of which every user says the same number, so that a mixture shows.
func generation(g int) (s pbx.State) {
	for i := range crowd {
		s.Users = append(s.Users, pbx.User{ID: pbx.ID(fmt.Sprintf("user-%03d", i)), Login: fmt.Sprint("user", i),
			DisplayName: fmt.Sprint("generation ", g), Extension: strconv.Itoa(1000 + (i+g)%crowd), Status: pbx.Active})
	}
	s.Groups = []pbx.Group{{ID: "all", Name: fmt.Sprint("generation ", g), Members: []pbx.ID{"user-000", "user-001"}}}
	return s
}

func generationOf(s pbx.State) int {
	if len(s.Users) == 0 {
		return 0
	}
	g, err := strconv.Atoi(strings.TrimPrefix(s.Users[0].DisplayName, "generation "))
	if err != nil {
		panic(err)
	}
	return g
}

// twoFiles renders users and groups apart, each as a JSON document of lines.
func twoFiles(reload func(context.Context) error) files.System {
	return files.System{Reload: reload, Render: func(s pbx.State) ([]files.File, []pbx.Refusal) {
		users, _ := json.MarshalIndent(s.Users, "", " ")
		groups, _ := json.MarshalIndent(s.Groups, "", " ")
		return []files.File{{Name: "users.json", Data: users}, {Name: "groups.json", Data: groups}}, nil
	}}
}

// Whoever applies is killed at any moment: what was done is there, what was begun is there whole or not at all, and no
// reader ever sees half a file.
func TestKilledWhileWriting(t *testing.T) {
	kills := 50
	if os.Getenv("CULVERT_SOAK") != "" {
		kills = 1000
	}
	dir := t.TempDir()
	stop := watch(t, filepath.Join(dir, "pbx"))
	least, usual := 0, time.Second
	for i := range kills {
		begun, done := killAfter(t, dir, &usual)
		least = max(least, done)
		have := survey(t, dir)
		if g := generationOf(have); g < least || g > max(least, begun) {
			t.Fatalf("kill %d: generation %d is there; %d was done and %d begun", i, g, least, begun)
		}
	}
	stop()
	t.Logf("%d kills, %d generations done", kills, least)
	if least < kills/4 {
		t.Errorf("only %d generations were done in %d runs: too little was interrupted", least, kills)
	}
}

// killAfter runs a writer, kills it after up to three times of what a change has usually taken on this machine, and says
// what it had begun and done. Where nothing was done the time was too short: what a change takes is known only of those
// that were done, and seems nothing where a busy machine shows begin and end at once.
func killAfter(t *testing.T, dir string, usual *time.Duration) (begun, done int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asWriter+"="+dir)
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, since := bufio.NewScanner(out), time.Now()
	for first := true; lines.Scan(); first = false {
		if first {
			since = time.Now()
			time.AfterFunc(rand.N(3**usual), func() { cmd.Process.Kill() })
		}
		word, g, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.Atoi(g)
		if err != nil {
			t.Fatalf("the writer said %q", lines.Text())
		}
		if word == "begin" {
			begun, since = n, time.Now()
		} else {
			done, *usual = n, time.Since(since)
		}
	}
	cmd.Wait()
	if done == 0 {
		*usual = min(*usual+*usual/2+time.Millisecond, time.Second)
	}
	if failed.Len() > 0 {
		t.Fatalf("the writer: %s", failed.String())
	}
	return begun, done
}

// survey opens what a crash left, and finds record and files agreeing, each user once.
func survey(t *testing.T, dir string) pbx.State {
	t.Helper()
	a, err := files.Open(config(dir), twoFiles(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	have, err := a.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := generationOf(have)
	if g == 0 {
		return have
	}
	if p := pbx.Diff(have, generation(g)); !p.Empty() || len(have.Users) != crowd || len(have.Groups) != 1 {
		t.Fatalf("generation %d: %d users, %d groups, and %d differ", g, len(have.Users), len(have.Groups), len(p.Steps))
	}
	if got := seen(t, filepath.Join(dir, "pbx", "users.json")); got != g {
		t.Fatalf("the record has generation %d, readers have %d", g, got)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", ".*.new"))
	if err != nil || len(left) > 0 {
		t.Fatalf("left over: %q, %v", left, err)
	}
	return have
}

// watch reads the files all the time until it is told to stop.
func watch(t *testing.T, dir string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for last := 0; ctx.Err() == nil && !t.Failed(); time.Sleep(200 * time.Microsecond) {
			if g := seen(t, filepath.Join(dir, "users.json")); g < last {
				t.Errorf("a reader saw generation %d after %d", g, last)
			} else {
				last = g
			}
			seenGroup(t, filepath.Join(dir, "groups.json"))
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// seen is the generation that a reader of the users finds, all of them of one; 0 where there is no file.
func seen(t *testing.T, path string) int {
	var users []pbx.User
	if !load(t, path, &users) || len(users) == 0 {
		return 0
	}
	for _, u := range users {
		if u.DisplayName != users[0].DisplayName || len(users) != crowd {
			t.Errorf("a reader saw %d users, %q beside %q", len(users), u.DisplayName, users[0].DisplayName)
			return 0
		}
	}
	return generationOf(pbx.State{Users: users})
}

func seenGroup(t *testing.T, path string) {
	var groups []pbx.Group
	if load(t, path, &groups) && len(groups) > 1 {
		t.Errorf("a reader saw %d groups", len(groups))
	}
}

func load(t *testing.T, path string, into any) bool {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		t.Error(err)
		return false
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Errorf("a reader saw half a file of %d bytes: %v", len(data), err)
	}
	return err == nil
}
