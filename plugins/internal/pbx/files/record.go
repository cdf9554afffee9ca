package files

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

const (
	recordName = "users.record"
	maxRecord  = 256 << 20
	format     = 1
)

// header is the first line of the record; the body is the second.
type header struct {
	Format int    `json:"format"`
	SHA256 string `json:"sha256"` // of the body
}

type body struct {
	Users  []pbx.User  `json:"users"`
	Groups []pbx.Group `json:"groups"`
}

// encode is the record of a state. What is protected is not the module's to keep.
func encode(s pbx.State) (File, error) {
	var b body
	for _, u := range s.Users {
		if !u.Protected {
			b.Users = append(b.Users, u)
		}
	}
	for _, g := range s.Groups {
		if !g.Protected {
			b.Groups = append(b.Groups, g)
		}
	}
	second, err := json.Marshal(b)
	if err != nil {
		return File{}, err
	}
	first, err := json.Marshal(header{format, sum(second)})
	if err != nil {
		return File{}, err
	}
	return File{recordName, bytes.Join([][]byte{first, second, nil}, []byte("\n"))}, nil
}

// decode is encode's inverse; its errors wrap pbx.ErrDamaged.
func decode(data []byte) (body, error) {
	first, second, _ := bytes.Cut(data, []byte("\n"))
	second = bytes.TrimSuffix(second, []byte("\n"))
	var h header
	var b body
	if err := json.Unmarshal(first, &h); err != nil {
		return b, fmt.Errorf("%w: %w", pbx.ErrDamaged, err)
	}
	if h.Format != format {
		return b, fmt.Errorf("%w: format %d is not known here; install the version that wrote it", pbx.ErrDamaged, h.Format)
	}
	if h.SHA256 != sum(second) {
		return b, fmt.Errorf("%w: its checksum is wrong; restore %s from a backup, or remove it to begin anew", pbx.ErrDamaged, recordName)
	}
	if err := json.Unmarshal(second, &b); err != nil {
		return b, fmt.Errorf("%w: %w", pbx.ErrDamaged, err)
	}
	return b, nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// read is the record and the users that are the PBX's own.
func (a *Adapter) read() (pbx.State, error) {
	data, err := a.record.read(recordName, maxRecord)
	b := body{}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return pbx.State{}, err
	default:
		if b, err = decode(data); err != nil {
			return pbx.State{}, err
		}
	}
	local, err := a.local()
	if err != nil {
		return pbx.State{}, err
	}
	s := pbx.State{Users: append(b.Users, local...), Groups: b.Groups}
	s.Sort()
	s.Version = s.Digest()
	return s, nil
}
