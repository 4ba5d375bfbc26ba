package access

import (
	"context"
	"sync"

	"vitae/ledger"
)

// Memory is a Store for tests. It keeps the promises of one as long as it lives.
type Memory struct {
	mu      sync.Mutex
	records []held
	failing error
}

type held struct {
	profile ledger.ProfileID
	sealed  []byte
}

// Fail makes every Put fail with err and store nothing; nil ends it.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing = err
}

// Put implements Store.
func (m *Memory) Put(_ context.Context, profile ledger.ProfileID, sealed []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing != nil {
		return m.failing
	}
	m.records = append(m.records, held{profile, sealed})
	return nil
}

// Next implements Store.
func (m *Memory) Next(_ context.Context, profile ledger.ProfileID, from uint64) (uint64, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := max(from, 1) - 1; i < uint64(len(m.records)); i++ {
		if m.records[i].profile == profile {
			return i + 1, m.records[i].sealed, nil
		}
	}
	return 0, nil, ledger.ErrNotFound
}
