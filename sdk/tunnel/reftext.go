package tunnel

// MarshalText is OWNER/NAME, so a Ref is one word in logs and JSON; of no tunnel it is empty.
func (r Ref) MarshalText() ([]byte, error) {
	if r == (Ref{}) {
		return nil, nil
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads what MarshalText writes; its error holds Findings.
func (r *Ref) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*r = Ref{}
		return nil
	}
	ref, fs := ParseRef(string(b))
	*r = ref
	return fs.Err()
}

// MarshalText is MODULE/NAME; of no configuration it is empty.
func (c ConfigurationRef) MarshalText() ([]byte, error) {
	if c == (ConfigurationRef{}) {
		return nil, nil
	}
	return []byte(c.String()), nil
}

// UnmarshalText reads what MarshalText writes; its error holds Findings.
func (c *ConfigurationRef) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*c = ConfigurationRef{}
		return nil
	}
	ref, fs := ParseConfigurationRef(string(b))
	*c = ref
	return fs.Err()
}
