package directory

import (
	"errors"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// CheckFilter says what is wrong with a filter by itself: put among others, half a filter may be a whole one that means something
// else. None at all is nothing wrong.
func CheckFilter(filter string) error {
	if filter == "" {
		return nil
	}
	_, err := ldap.CompileFilter(filter)
	if err == nil {
		return nil
	}
	why := err.Error()
	var e *ldap.Error
	if errors.As(err, &e) {
		why = e.Err.Error()
	}
	return errors.New("this is not an LDAP filter: " + tunnel.Clean(strings.TrimPrefix(why, "ldap: "), 200))
}
