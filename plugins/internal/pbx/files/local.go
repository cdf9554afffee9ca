package files

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/culvert-pbx/culvert/plugins/internal/pbx"
)

// LocalName is the file, written by the operator, of users that are the PBX's own: administrators, door stations, lifts.
// Its first line names the columns, of login, display_name, extension, mail and admin (yes or empty); login is needed.
const LocalName = "local-users.csv"

const maxLocal = 4 << 20

// local are the users of that file, all protected, and a mark of what it says.
func (a *Adapter) local() (users []pbx.User, mark string, err error) {
	data, err := a.out.read(LocalName, maxLocal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	rows, err := r.ReadAll()
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", LocalName, err)
	}
	for i := 1; i < len(rows); i++ {
		u, err := localUser(rows[0], rows[i])
		if err != nil {
			return nil, "", fmt.Errorf("%s: row %d: %w", LocalName, i+1, err)
		}
		users = append(users, u)
	}
	return users, sum(data), nil
}

// localUser reads one row; its ID comes from the login, so that two rows of one login are found out.
func localUser(columns, row []string) (pbx.User, error) {
	u := pbx.User{Status: pbx.Active, Protected: true}
	for i, c := range columns {
		v := pbx.Line(row[i])
		switch strings.TrimSpace(c) {
		case "login":
			u.Login, u.ID = v, pbx.ID("local-"+sum([]byte(strings.ToLower(v)))[:16])
		case "display_name":
			u.DisplayName = v
		case "extension":
			u.Extension = v
		case "mail":
			u.Mail = v
		case "admin":
			u.Admin = v != ""
		default:
			return u, fmt.Errorf("there is no column %q; use login, display_name, extension, mail, admin", c)
		}
	}
	return u, u.Check().Err()
}
