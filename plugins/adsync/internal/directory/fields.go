package directory

import "slices"

// Fields are the attributes in which a directory keeps what is read of a person. An empty one is that of the kind.
type Fields struct {
	ID, Login, Principal                  string
	Given, Surname, Display, Mail         string
	Extension, Department, Company, Title string
	Phones, Faxes                         []string // in the order in which a person's numbers shall stand
}

// DefaultFields are the attributes that directories of a kind have.
func DefaultFields(k Kind) Fields {
	f := Fields{
		ID: "objectGUID", Login: "sAMAccountName", Principal: "userPrincipalName", Given: "givenName", Surname: "sn",
		Display: "displayName", Mail: "mail", Extension: "ipPhone", Department: "department", Company: "company", Title: "title",
		Phones: []string{"telephoneNumber", "otherTelephone", "mobile"}, Faxes: []string{"facsimileTelephoneNumber"},
	}
	if k == OpenLDAP {
		f.ID, f.Login, f.Principal, f.Extension, f.Department, f.Company = "entryUUID", "uid", "", "", "departmentNumber", "o"
		f.Phones = []string{"telephoneNumber", "mobile"}
	}
	return f
}

// over is f with the others where it says nothing.
func (f Fields) over(d Fields) Fields {
	for _, p := range []struct {
		to   *string
		from string
	}{
		{&f.ID, d.ID}, {&f.Login, d.Login}, {&f.Principal, d.Principal}, {&f.Given, d.Given}, {&f.Surname, d.Surname},
		{&f.Display, d.Display}, {&f.Mail, d.Mail}, {&f.Extension, d.Extension}, {&f.Department, d.Department},
		{&f.Company, d.Company}, {&f.Title, d.Title},
	} {
		if *p.to == "" {
			*p.to = p.from
		}
	}
	if len(f.Phones) == 0 {
		f.Phones = d.Phones
	}
	if len(f.Faxes) == 0 {
		f.Faxes = d.Faxes
	}
	return f
}

// names are the attributes to ask for: these alone, so that a photo never crosses the tunnel.
func (f Fields) names() []string {
	all := append([]string{
		f.ID, f.Login, f.Principal, f.Given, f.Surname, f.Display, f.Mail, f.Extension, f.Department, f.Company, f.Title,
		"userAccountControl", "accountExpires", "pwdAccountLockedTime",
	}, slices.Concat(f.Phones, f.Faxes)...)
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(s string) bool { return s == "" })
}
