package supervisor

import "time"

// unheard is when the last link came up whose end the server may not have heard of, zero where there is none.
func (k *keeper) unheard() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.earlier
}

// remember notes that the server of n's link may not hear of its end.
func (k *keeper) remember(n *line) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.earlier = n.since
}

// parted notes what the server knows of the end of n's link. It knows that it was told: the end of a link that was told
// to end while the server answered, or of a messenger whose errand ended by itself. It may not know of any other end,
// which is remembered until the server has given every port to a later link.
func (k *keeper) parted(n *line, told bool) {
	whole := k.standing.wasWhole(n.link)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case closed(n.retired):
		if !told && time.Since(n.parting) < messengerFor && k.earlier.Equal(n.since) {
			k.earlier = time.Time{}
		}
	case !told || n.link.peer() != PeerAnswers || n.quiet():
		k.earlier = n.since
	case whole:
		k.earlier = time.Time{}
	}
}
