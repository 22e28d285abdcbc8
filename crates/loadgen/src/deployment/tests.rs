use super::*;

#[test]
fn the_first_of_a_kind_has_no_number() {
    let names: Vec<_> = [PartRole::Server(0), PartRole::Server(1), PartRole::Generator(2)]
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["server", "server-2", "generator-3"]);
}

#[test]
fn subscribers_are_spread_over_the_addresses() {
    let addresses = |ports: &[u16]| -> Vec<SocketAddr> {
        ports.iter().map(|&port| ([127, 0, 0, 1], port).into()).collect()
    };
    let ports = |publish: &[u16], subscribe: &[u16]| -> Vec<_> {
        let mut deployment = Deployment::default();
        deployment.publish = addresses(publish);
        deployment.subscribe = addresses(subscribe);
        let connections = [(0, 0), (1, 0), (2, 1), (3, 1)];
        let address = |(connection, channel)| deployment.subscribe(connection, channel);
        connections.into_iter().map(|who| address(who).map(|found| found.port())).collect()
    };
    assert_eq!(ports(&[1], &[2, 3]), [2, 3, 2, 3].map(Some), "in turn");
    assert_eq!(ports(&[1, 2], &[1, 2]), [1, 1, 2, 2].map(Some), "where their channel is");
    assert_eq!(ports(&[1], &[]), [None; 4]);
}

fn shell(script: &str) -> ServerStart {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    ServerStart::server(command, Readiness::Announced)
}

#[tokio::test]
async fn one_server_that_does_not_start_is_enough() {
    let commands = [shell("echo broken >&2; exit 3"), shell("exec sleep 60")];
    let cores = Cores::divide().unwrap();
    let started = Deployment::of_servers(&commands, &cores).await;
    let Err(error) = started else { panic!("no server") };
    assert!(error.to_string().contains("broken"), "{error}");
    let none = Deployment::of_servers(&[], &cores).await.unwrap();
    assert_eq!(none.sample("up").await, None);
    none.stop().await.unwrap();
}
