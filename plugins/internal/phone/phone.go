// Package phone reads telephone numbers as people write them into directories, and says what they are to one PBX: an
// extension, a number of its own lines, somebody else's, or one that calls for help.
//
// A module embeds Settings in its own, makes a Plan of them once, and asks that. What a Plan returns is digits and a plus
// sign alone, whatever was put in. A Plan is safe for concurrent use.
package phone

import (
	"fmt"
	"strconv"

	"github.com/nyaruka/phonenumbers"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Settings say how numbers are dialled at a PBX. The defaults are those of Germany.
type Settings struct {
	Country       string   `json:"country" title:"Country code" help:"without plus or zeros" default:"49" pattern:"^[1-9][0-9]{0,2}$"`
	Area          string   `json:"area" title:"Area code" help:"without the trunk prefix; empty where there are none" pattern:"^[0-9]{0,6}$"`
	Trunk         string   `json:"trunk" title:"Trunk prefix" help:"what is dialled before an area code" default:"0" pattern:"^[0-9]{0,3}$"`
	International string   `json:"international" title:"International prefix" default:"00" pattern:"^[0-9]{1,5}$"`
	Line          string   `json:"line" title:"Line prefix" help:"what is dialled inside to reach a line" pattern:"^[0-9]{0,3}$"`
	Main          []string `json:"main" title:"Main numbers" help:"they belong to the PBX and to no user" maxitems:"50" maxlen:"40"`
	Blocks        []string `json:"blocks" title:"Own numbers" help:"like +49 721 12345 100-199, the last group being the extension" maxitems:"200" maxlen:"60"`
	MinExtension  int      `json:"min_extension" title:"Shortest extension" default:"2" min:"1" max:"15"`
	MaxExtension  int      `json:"max_extension" title:"Longest extension" default:"4" min:"1" max:"15"`
}

// Plan is Settings that were understood.
type Plan struct {
	s      Settings
	main   []string // E.164
	blocks []block
}

// New checks the settings. Findings name them by their JSON names.
func New(s Settings) (*Plan, tunnel.Findings) {
	p, fs := &Plan{s: s}, s.check()
	if len(fs) > 0 {
		return nil, fs
	}
	for i, text := range s.Blocks {
		b, ok := p.parseBlock(text)
		if !ok {
			fs = append(fs, find(fmt.Sprintf("blocks[%d]", i), text, "this is not a block of numbers", "write it like +49 721 12345 100-199"))
			continue
		}
		p.blocks = append(p.blocks, b)
	}
	for i, text := range s.Main {
		d, ok := digitsOf(text)
		if !ok || !p.outside(&d) {
			fs = append(fs, find(fmt.Sprintf("main[%d]", i), text, "this is not an outside number", "write it like +49 721 123450"))
			continue
		}
		p.main = append(p.main, d)
	}
	if len(fs) > 0 {
		return nil, fs
	}
	return p, nil
}

func (s Settings) check() (fs tunnel.Findings) {
	code, err := strconv.Atoi(s.Country)
	if err != nil || !phonenumbers.GetSupportedCallingCodes()[code] {
		fs = append(fs, find("country", s.Country, "there is no such country code", "write it like 49"))
	}
	for field, value := range map[string]string{"area": s.Area, "trunk": s.Trunk, "international": s.International, "line": s.Line} {
		if !digits(value) {
			fs = append(fs, find(field, value, "this is not digits alone", "write digits"))
		}
	}
	switch {
	case s.International == "" || s.International == s.Trunk:
		fs = append(fs, find("international", s.International, "the international prefix is missing or that of the country", "write it like 00"))
	case s.MinExtension < 1 || s.MaxExtension > 15 || s.MinExtension > s.MaxExtension:
		fs = append(fs, find("max_extension", strconv.Itoa(s.MaxExtension), "there is no length between the shortest and the longest", "give 1 to 15, the longer one last"))
	}
	return fs
}

func find(field, value, message, wayOut string) tunnel.Finding {
	return tunnel.Finding{Code: tunnel.Malformed, Field: field, Value: tunnel.Clean(value, 60), Message: message, WayOut: wayOut}
}
