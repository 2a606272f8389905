package cluster

import (
	"context"
	"io"

	"migrate/internal/ops/compose"
)

// A Platform is what a cluster runs on: OnCompose makes one of a Compose project, and the process lab is another. It tells of its
// servers in Compose's words: a service of several containers.
type Platform interface {
	// Look says what stands in the way of a start.
	Look(ctx context.Context) ([]Finding, error)
	// Services are those that there should be, and Containers what there is of them. Usage is by the containers' names.
	Services(ctx context.Context) ([]compose.Service, error)
	Containers(ctx context.Context) ([]compose.Container, error)
	Usage(ctx context.Context) (map[string]compose.Usage, error)
	// Metrics are what a role of Milvus says of itself, in the text format of Prometheus.
	Metrics(ctx context.Context, c compose.Container) ([]byte, error)
	// Up starts what does not run, and returns when all is healthy; Scale does so for one service, ends what is too much of it,
	// and remembers the number. Down ends everything, and Wipe removes the data too. All of them tell out how it goes.
	Up(ctx context.Context, out io.Writer) error
	Scale(ctx context.Context, out io.Writer, service string, replicas int) error
	Down(ctx context.Context, out io.Writer) error
	Wipe(ctx context.Context, out io.Writer) error
	// Take ends one container; GiveBack starts it, and returns when it is healthy.
	Take(ctx context.Context, c compose.Container, how compose.Ending) error
	GiveBack(ctx context.Context, c compose.Container) error
}

// OnCompose is the platform that a Compose project is.
func OnCompose(p *compose.Project) Platform { return onCompose{p} }

type onCompose struct{ *compose.Project }

// Look holds the project against the machine of its engine.
func (p onCompose) Look(ctx context.Context) ([]Finding, error) {
	engine, err := p.Engine(ctx)
	if err != nil {
		return nil, err
	}
	services, own, err := list(ctx, p)
	if err != nil {
		return nil, err
	}
	return Check(MachineOf(engine), services, own), nil
}
