package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/culvert-pbx/culvert/plugins/adsync/internal/directory"
)

// pins are the certificates that servers showed first, where the settings say nothing to know them by. They are kept in
// the module's directory, and what is in it cannot be forged from the site.
type pins struct {
	path string
	mu   sync.Mutex
}

const pinsFile = "pins.json"

func pinsIn(dir string) *pins { return &pins{path: filepath.Join(dir, pinsFile)} }

// learn keeps the pin of a server that has none, and refuses one that is not the kept one.
func (p *pins) learn(server, shown string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, err := p.read()
	if err != nil {
		return fmt.Errorf("read the certificates that are known: %w", err)
	}
	if known[server] != "" {
		return compare(server, known[server], shown)
	}
	known[server] = shown
	return writeJSON(p.path, known)
}

// peek compares as learn does and keeps nothing: what a test sees is not yet trusted.
func (p *pins) peek(server, shown string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, err := p.read()
	if err != nil || known[server] == "" {
		return err
	}
	return compare(server, known[server], shown)
}

func compare(server, known, shown string) error {
	if known == shown {
		return nil
	}
	return &directory.Error{
		Code: directory.WrongPin, Message: fmt.Sprintf("%s shows the certificate %s, and showed %s before", server, shown, known),
		Remedy: "if the server has a new certificate, culvert config set " + directory.Unnamed + " 'directory.pins[]=" + shown + "'; if not, somebody is between",
	}
}

func (p *pins) read() (map[string]string, error) {
	known := map[string]string{}
	b, err := readBounded(p.path, 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &known)
	}
	return known, err
}
