package phone

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxE164 is the plus sign and 15 digits.
const maxE164 = 16

// Kind says what a number is to the PBX.
type Kind string

// The kinds of number.
const (
	Extension Kind = "extension" // an internal number
	Own       Kind = "own"       // an outside number of the PBX's lines
	Foreign   Kind = "foreign"   // somebody else's
	Service   Kind = "service"   // calls for help, or a service that a country keeps for itself
)

// Number is what a text meant.
type Number struct {
	Kind      Kind
	E164      string // of own and foreign ones: + and 4 to 15 digits
	Extension string // of extensions, and of own numbers that end in one: digits
}

// Parse reads a number as people write it: international, national, local, or an extension. The error is a
// tunnel.Finding without a field. What is not possible or not valid in its country is refused, unless it is an own number:
// nobody knows better than the operator which those are.
func (p *Plan) Parse(text string) (Number, error) {
	d, ok := digitsOf(text)
	switch {
	case !ok:
		return Number{}, find("", text, "this is not a telephone number", "write digits, as in +49 721 12345-100")
	case p.service(d):
		return Number{Kind: Service}, nil
	case p.isExtension(d):
		return Number{Kind: Extension, Extension: d}, nil
	}
	e164, ok := p.full(d)
	if ok {
		if ext, own := p.Own(e164); own {
			return Number{Kind: Own, E164: e164, Extension: ext}, nil
		}
	}
	switch {
	case !ok || !p.outside(&d):
		return Number{}, find("", text, "there is no such telephone number", "correct it at the source")
	case p.service(d):
		return Number{Kind: Service}, nil
	}
	return Number{Kind: Foreign, E164: d}, nil
}

// MayAssign is nil when a user may have the number: an extension, or an own number that is not a main number. The error is
// a tunnel.Finding without a field.
func (p *Plan) MayAssign(n Number) error {
	refuse := func(message string) error {
		return tunnel.Finding{Code: tunnel.PolicyRefused, Value: n.E164 + n.Extension, Message: message, WayOut: "correct it at the source"}
	}
	switch {
	case n.Kind == Service:
		return refuse("emergency and service numbers are nobody's own")
	case n.Kind == Foreign:
		return refuse("this number is not one of the PBX")
	case n.Kind == Own && slices.Contains(p.main, n.E164):
		return refuse("this is a main number of the PBX")
	}
	return nil
}

// isExtension: short enough, and not dialled like an outside number.
func (p *Plan) isExtension(d string) bool {
	if len(d) < p.s.MinExtension || len(d) > p.s.MaxExtension || d[0] == '+' {
		return false
	}
	return !p.dialledOutside(d)
}

func (p *Plan) dialledOutside(d string) bool {
	return strings.HasPrefix(d, p.s.International) || p.s.Trunk != "" && strings.HasPrefix(d, p.s.Trunk)
}

// full is the E.164 form of digits that are international, national, or, where there is an area code, local. It does not
// say that there is such a number.
func (p *Plan) full(d string) (e164 string, ok bool) {
	switch {
	case d[0] == '+':
		e164 = d
	case strings.HasPrefix(d, p.s.International):
		e164 = "+" + strings.TrimPrefix(d, p.s.International)
	case p.s.Trunk != "" && strings.HasPrefix(d, p.s.Trunk):
		e164 = "+" + p.s.Country + strings.TrimPrefix(d, p.s.Trunk)
	default:
		e164 = "+" + p.s.Country + p.s.Area + d
	}
	return e164, len(e164) >= 5 && len(e164) <= maxE164 && e164[1] != '0'
}

// outside makes *d the E.164 form of a number that there can be.
func (p *Plan) outside(d *string) bool {
	e164, ok := p.full(*d)
	if !ok {
		return false
	}
	if _, own := p.Own(e164); own {
		*d = e164
		return true
	}
	n, err := phonenumbers.Parse(e164, phonenumbers.UNKNOWN_REGION)
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return false
	}
	*d = phonenumbers.Format(n, phonenumbers.E164)
	return true
}

// region is the country as the library calls it.
func (p *Plan) region() string {
	code, _ := strconv.Atoi(p.s.Country)
	return phonenumbers.GetRegionCodeForCountryCode(code)
}
