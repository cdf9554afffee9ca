package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLevelSaysWhatIsHeld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		have Support
		want Level
		says string
	}{
		{Support{Landlock: 1, Seccomp: true}, Full, ""},
		{Support{Landlock: 7, Seccomp: true}, Full, ""},
		{Support{Landlock: 7}, Partial, "other processes"},
		{Support{Seccomp: true}, None, "registry and its key"}, // a filter alone does not hold files
		{Support{}, None, "registry and its key"},
		{Support{why: "Landlock is switched off at boot"}, None, "switched off"},
	} {
		why, remedy := c.have.Lack()
		if got := c.have.Level(); got != c.want || !strings.Contains(why, c.says) || (c.want == Full) != (why == "" && remedy == "") {
			t.Errorf("%+v: %s, %q, %q", c.have, got, why, remedy)
		}
	}
}

// A right to execute stands only with what the machine has installed, never with a place that a module writes to.
func TestNoPlanExecutesWhatAModuleWrites(t *testing.T) {
	t.Parallel()
	p := Plan{Own: []string{"/own"}, Wire: []string{"/wire"}, Listeners: []string{"/listeners"}, Read: []int{6}, Write: []int{7}, Programs: true, Network: true}
	seen := 0
	for _, a := range allowances(p) {
		switch executes, writes := a.rights&execute != 0, a.rights&(writeFile|makeFile) != 0; {
		case executes && writes:
			t.Errorf("%s is written and executed", a.path)
		case executes:
			seen++
			if !slices.Contains(runnable, a.path) {
				t.Errorf("%s is executed", a.path)
			}
		}
	}
	for _, o := range granted(p) {
		if o.rights&execute != 0 {
			t.Errorf("what is granted is executed: %+v", o)
		}
	}
	if seen != len(runnable) {
		t.Errorf("%d paths are executed", seen)
	}
	p.Programs = false
	for _, a := range allowances(p) {
		if a.rights&execute != 0 {
			t.Errorf("%s is executed without the grant", a.path)
		}
	}
}

func TestLoaders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	inner := file("inner", "#!/no/such/interpreter\n")
	loop := filepath.Join(dir, "loop")
	file("loop", "#!"+loop+"\n")
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"script", "#!" + inner + " -e\n", []string{inner, "/no/such/interpreter"}},
		{"blanks", "#! \t/x\t-y z\nmore", []string{"/x"}},
		{"no line's end", "#!/x", []string{"/x"}},
		{"nothing named", "#!\n/x", nil},
		{"loop", "#!" + loop, slices.Repeat([]string{loop}, maxLoaders)},
		{"text", "just text", nil},
		{"empty", "", nil},
		{"half an ELF", "\x7fELF\x02\x01\x01", nil},
	} {
		if got := loaders(strings.NewReader(c.text)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLoaderOfAProgram(t *testing.T) {
	t.Parallel()
	f, err := os.Open("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	if got := loaders(descriptor(f.Fd())); len(got) != 1 || !strings.Contains(got[0], "/ld") {
		t.Errorf("/bin/sh is loaded by %q", got)
	}
}

// TestOnlyAProgramOfTheMachineStartsAModule: a loader's path is the module's own word, and must open nothing else.
func TestOnlyAProgramOfTheMachineStartsAModule(t *testing.T) {
	t.Parallel()
	own := filepath.Join(t.TempDir(), "ld")
	if err := os.WriteFile(own, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "sh")
	if err := os.Symlink("/bin/sh", link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/bin/sh": true, link: true, // it is what it leads to
		"/": false, "/usr": false, "/usr/bin": false, "/etc/passwd": false, "/dev/null": false, own: false,
	} {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := isProgram(fd); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
		unix.Close(fd)
	}
}
