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

// encode is the record of a state, with its digest. What is protected is not the module's to keep.
func encode(s pbx.State) (File, string, error) {
	b := body{Users: make([]pbx.User, 0, len(s.Users))}
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
		return File{}, "", err
	}
	digest := sum(second)
	first, err := json.Marshal(header{format, digest})
	if err != nil {
		return File{}, "", err
	}
	return File{recordName, bytes.Join([][]byte{first, second, nil}, []byte("\n"))}, digest, nil
}

// verify takes a record apart; its errors wrap pbx.ErrDamaged.
func verify(data []byte) (second []byte, digest string, err error) {
	first, second, _ := bytes.Cut(data, []byte("\n"))
	second = bytes.TrimSuffix(second, []byte("\n"))
	var h header
	if err := json.Unmarshal(first, &h); err != nil {
		return nil, "", fmt.Errorf("%w: %w", pbx.ErrDamaged, err)
	}
	if h.Format != format {
		return nil, "", fmt.Errorf("%w: format %d is not known here; install the version that wrote it", pbx.ErrDamaged, h.Format)
	}
	if h.SHA256 != sum(second) {
		return nil, "", fmt.Errorf("%w: its checksum is wrong; restore %s from a backup, or remove it to begin anew", pbx.ErrDamaged, recordName)
	}
	return second, h.SHA256, nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// read is the record and the users that are the PBX's own. The version says both.
func (a *Adapter) read() (pbx.State, error) {
	data, err := a.load()
	if err != nil {
		return pbx.State{}, err
	}
	var b body
	if len(data) > 0 {
		if err := json.Unmarshal(data, &b); err != nil {
			return pbx.State{}, fmt.Errorf("%w: %w", pbx.ErrDamaged, err)
		}
	}
	local, mark, err := a.local()
	if err != nil {
		return pbx.State{}, err
	}
	s := pbx.State{Users: append(b.Users, local...), Groups: b.Groups}
	s.Sort()
	s.Version = version(a.digest, mark)
	return s, nil
}

// load is the body of the record, whose digest it keeps; nothing where there is none yet.
func (a *Adapter) load() (data []byte, err error) {
	a.digest = ""
	data, err = a.record.read(recordName, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data, a.digest, err = verify(data)
	return data, err
}

// version tells states apart.
func version(record, local string) string { return sum([]byte(record + " " + local))[:32] }
