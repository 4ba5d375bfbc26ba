package engine

import (
	"errors"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Grant is what one subscriber may do at Options.Listen.
type Grant struct {
	// Name is the subscriber's own prefix: its consumers must be called Name or begin
	// with Name and a dash. It is made of letters, digits, dashes and underscores.
	Name string
	// Subjects are the subjects of the feed that it may read ("changed.<profile>.>").
	Subjects []string
}

type gate struct{}

func newGate(Options) (*gate, error) {
	return nil, errors.New("engine: listening for subscribers is not available")
}

func (g *gate) configure(*server.Options) []nats.Option { return nil }
func (g *gate) attach(*server.Server) error             { return nil }
func (g *gate) open(*server.Server) error               { return nil }
func (g *gate) close()                                  {}
