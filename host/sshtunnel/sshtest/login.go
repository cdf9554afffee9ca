package sshtest

import (
	"bytes"
	"cmp"
	"errors"

	"golang.org/x/crypto/ssh"
)

var errNo = errors.New("refused")

// config is what one handshake is done with.
func (s *Server) config() *ssh.ServerConfig {
	c := &ssh.ServerConfig{ServerVersion: cmp.Or(s.options.Version, "SSH-2.0-CulvertTest"), MaxAuthTries: 6}
	c.AuthLogCallback = func(_ ssh.ConnMetadata, method string, _ error) {
		if method == "none" {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.logins = append(s.logins, method)
	}
	if s.options.Password != "" {
		c.PasswordCallback = s.password
	}
	if s.options.KeyboardInteractive != "" {
		c.KeyboardInteractiveCallback = s.ask
	}
	if len(s.options.AuthorizedKeys) > 0 {
		c.PublicKeyCallback = s.key
	}
	if c.PasswordCallback == nil && c.KeyboardInteractiveCallback == nil && c.PublicKeyCallback == nil {
		c.PublicKeyCallback = s.key // lets nobody in
	}
	c.AddHostKey(*s.hostKey.Load())
	for _, k := range s.options.MoreHostKeys {
		c.AddHostKey(k)
	}
	return c
}

// tell calls what the options have for this moment.
func (s *Server) tell(f func(*Server)) {
	if f != nil {
		f(s)
	}
}

func (s *Server) password(_ ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) {
	s.tell(s.options.OnLogin)
	if string(given) != s.options.Password {
		return nil, errNo
	}
	return nil, nil
}

func (s *Server) ask(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	questions := s.options.Questions
	if len(questions) == 0 {
		questions = []string{"Password: "}
	}
	s.tell(s.options.OnQuestion)
	answers, err := ask("", "", questions, make([]bool, len(questions)))
	s.tell(s.options.OnLogin)
	if err != nil || len(answers) != 1 || answers[0] != s.options.KeyboardInteractive {
		return nil, errNo
	}
	return nil, nil
}

func (s *Server) key(_ ssh.ConnMetadata, given ssh.PublicKey) (*ssh.Permissions, error) {
	s.tell(s.options.OnLogin)
	for _, line := range s.options.AuthorizedKeys {
		known, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err == nil && bytes.Equal(known.Marshal(), given.Marshal()) {
			return nil, nil
		}
	}
	return nil, errNo
}
