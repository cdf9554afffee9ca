package seal

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// dirs makes the three places a key may be in.
func dirs(t *testing.T) (o Options, credential, stateKey string) {
	t.Helper()
	dir := t.TempDir()
	o = Options{CredentialsDir: filepath.Join(dir, "creds"), KeyFile: filepath.Join(dir, "file"), StateDir: filepath.Join(dir, "state")}
	for _, d := range []string{o.CredentialsDir, o.StateDir} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return o, filepath.Join(o.CredentialsDir, "registry-key"), filepath.Join(o.StateDir, "key")
}

func write(t *testing.T, path string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func key(b byte) []byte { return bytes.Repeat([]byte{b}, keySize) }

func TestKeyOrder(t *testing.T) {
	o, credential, stateKey := dirs(t)
	write(t, credential, key(1), 0o440) // as it shows with systemd's ACL
	write(t, o.KeyFile, key(2), 0o400)
	write(t, stateKey, key(3), 0o600)
	for i, want := range []string{credential, o.KeyFile, stateKey} {
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if s.Origin() != (Origin{Path: want}) {
			t.Errorf("round %d: the key is from %v, want %s", i, s.Origin(), want)
		}
		same, err := newSealer(key(byte(i+1)), Origin{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := same.Open(here, sealed(t, s, here)); err != nil {
			t.Errorf("round %d: it is not the key in the file: %v", i, err)
		}
		if i == 0 {
			os.Remove(credential)
		} else {
			o.KeyFile = ""
		}
	}
}

func TestKeyIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	defer syscall.Umask(syscall.Umask(0))
	write(t, filepath.Join(dir, "key.new"), []byte("left by a crash"), 0o644)

	first := sealer(t, dir)
	if want := (Origin{Path: filepath.Join(dir, "key"), Made: true}); first.Origin() != want {
		t.Errorf("the key is from %v, want %v", first.Origin(), want)
	}
	b := sealed(t, first, here)
	second := sealer(t, dir)
	if second.Origin().Made {
		t.Error("a second key was made")
	}
	if _, err := second.Open(here, b); err != nil {
		t.Error(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("files: %v, %v", files, err)
	}
	if info, err := files[0].Info(); err != nil || info.Mode().Perm() != 0o600 || info.Size() != keySize {
		t.Errorf("the key file: %v, %v", info, err)
	}
}

func TestKeyIsRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		want  string
	}{
		{"readable by the group", func(t *testing.T, path string) { write(t, path, key(1), 0o640) }, "chmod 600"},
		{"readable by all", func(t *testing.T, path string) { write(t, path, key(1), 0o604) }, "chmod 600"},
		{"too short", func(t *testing.T, path string) { write(t, path, key(1)[1:], 0o600) }, "holds 31 bytes and a key has 32"},
		{"too long", func(t *testing.T, path string) { write(t, path, append(key(1), '\n'), 0o600) }, "holds 33 bytes"},
		{"empty", func(t *testing.T, path string) { write(t, path, nil, 0o600) }, "holds 0 bytes"},
		{"a directory", func(t *testing.T, path string) { os.Mkdir(path, 0o700) }, "is not a file"},
		{"a pipe", func(t *testing.T, path string) { syscall.Mkfifo(path, 0o600) }, "is not a file"},
		{"somebody else's", func(t *testing.T, path string) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			write(t, path, key(1), 0o600)
			os.Chown(path, 4242, -1)
		}, "belongs to somebody else"},
	} {
		for _, place := range []string{"key file", "state"} {
			t.Run(c.name+" as "+place, func(t *testing.T) {
				o, _, path := dirs(t)
				if place == "key file" {
					path = o.KeyFile
				} else {
					o.KeyFile = ""
				}
				c.spoil(t, path)
				if _, err := Open(o); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %v, want it to name the file and say %q", err, c.want)
				}
			})
		}
	}
}

// A key file that is named is never made: a wrong path would silently make every
// secret unreadable.
func TestMissingKeyFileIsAnError(t *testing.T) {
	o, _, stateKey := dirs(t)
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), o.KeyFile) {
		t.Errorf("error: %v", err)
	}
	for _, path := range []string{o.KeyFile, stateKey} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s was made", path)
		}
	}
}

func TestWrongCredentialIsAnError(t *testing.T) {
	o, credential, _ := dirs(t)
	write(t, credential, []byte("short"), 0o400)
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "registry-key holds 5 bytes") {
		t.Errorf("error: %v", err)
	}
}
