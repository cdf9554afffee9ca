package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A damaged record is never used, and status says so: a daemon that lost tunnels must not look well.
func TestStatusTellsOfADamagedRegistry(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must("tunnel", "add", "operator/kept", "--server", "pbx@127.0.0.1:1", "--key", "host", "--disabled")
	r.must("tunnel", "add", "operator/hurt", "--server", "pbx@127.0.0.1:1", "--key", "host", "--disabled", "--comment", "tobeflipped")
	if code, out, _ := r.cli("", "status"); code != 0 {
		t.Fatalf("before: exit %d: %s", code, out)
	}
	r.stop()
	path := filepath.Join(r.state, "registry.db")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.ReplaceAll(text, []byte("tobeflipped"), []byte("tobefl1pped"))
	if bytes.Equal(flipped, text) {
		t.Fatal("the record is not in the file as it was written")
	}
	if err := os.WriteFile(path, flipped, 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	code, out, _ := r.cli("", "status")
	if code != 3 || !strings.Contains(out, "operator/hurt") || !strings.Contains(out, "registry.db") {
		t.Errorf("status: exit %d: %s", code, out)
	}
	if list := r.must("tunnel", "list"); strings.Contains(list, "operator/hurt") || !strings.Contains(list, "operator/kept") {
		t.Errorf("list: %s", list)
	}
}

// A state directory that lost a part says so in the log: no silent new beginning.
func TestAMissingPartOfTheStateIsSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stop()
	for _, c := range []struct{ file, says string }{
		{"registry.db", "there is no registry, but the key pair of a former one"},
		{"id_ed25519", "the key pair of this PBX is gone"},
	} {
		if err := os.Remove(filepath.Join(r.state, c.file)); err != nil {
			t.Fatal(err)
		}
		r.start()
		if !strings.Contains(r.logText(), c.says) {
			t.Errorf("without %s the log does not say %q", c.file, c.says)
		}
		r.stop()
	}
	key := filepath.Join(r.state, "id_ed25519")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, text := r.tryStart(); code != failed || !strings.Contains(text, "chmod 600") {
		t.Errorf("with a key that others can read: exit %d: %s", code, text)
	}
}

// Flags may be relative paths; a configuration file named by nothing, and places that cannot be, are refused.
func TestFlagsOfTheDaemon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--check-config", "--state-dir", "a", "--plugin-dir", "b", "--socket", "/tmp/s"}, fine, "fine"},
		{[]string{"--config", ""}, wrong, "a file is missing"},
		{[]string{"--check-config", "--plugin-dir", filepath.Join(dir, "file"), "--socket", "/tmp/s"}, wrong, "plugin_dir"},
		{[]string{"--check-config", "--socket", dir}, wrong, "socket"},
		{[]string{"--check-config", "--socket", "/tmp/" + strings.Repeat("s", 120)}, wrong, "socket"},
		{[]string{"--check-config", "--socket", "/tmp/s", "--state-dir", filepath.Join(dir, "file")}, wrong, "state_dir"},
		{[]string{"--nonsense"}, wrong, "culvertd: error:"},
	} {
		var out, errs bytes.Buffer
		if code := run(c.args, &out, &errs); code != c.code || !strings.Contains(out.String()+errs.String(), c.says) {
			t.Errorf("%v: exit %d, want %d with %q: %s%s", c.args, code, c.code, c.says, out.String(), errs.String())
		}
	}
}
