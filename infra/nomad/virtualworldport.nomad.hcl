# The port on Nomad: infra/nomad/README.md.
job "virtualworldport" {
  type = "service"

  group "port" {
    # One, because one process at a time may open a store.
    count = 1

    # Its state is on a volume of one node, or one that moves with it (CSI).
    volume "state" {
      type            = "host"
      source          = "virtualworldport"
      attachment_mode = "file-system"
      access_mode     = "single-node-single-writer"
    }

    update {
      # The old allocation ends before the new one begins.
      max_parallel     = 1
      health_check     = "checks"
      min_healthy_time = "10s"
      healthy_deadline = "5m"
      auto_revert      = true
    }

    restart {
      attempts = 5
      interval = "10m"
      delay    = "5s"
      mode     = "delay"
    }

    network {
      port "http" {
        to = 3000
      }
      port "dns" {
        static = 53
        to     = 5300
      }
      port "health" {
        to = 8080
      }
    }

    service {
      name     = "virtualworldport"
      port     = "http"
      provider = "nomad"

      check {
        name     = "ready"
        type     = "http"
        port     = "health"
        path     = "/readyz"
        interval = "5s"
        timeout  = "3s"
      }
    }

    task "port" {
      driver = "docker"
      user   = "65532:65532"

      # Requests in flight have 10 s after it, and the store is closed after them.
      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      config {
        image           = "registry.example/virtualworldport:0.1.0"
        ports           = ["http", "dns", "health"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
        args = [
          "up",
          "--from", "/app/spin.toml",
          "--state-dir", "/data/state",
          "--listen", "0.0.0.0:3000",
          "--dns-listen", "0.0.0.0:5300",
          "--health-listen", "0.0.0.0:8080",
          "--variable", "issuer=https://port.example",
          "--variable", "zone=port.example",
          "--variable", "trusted_proxies=1",
          "--variable", "master_key=@${NOMAD_SECRETS_DIR}/master_key",
          "--variable", "admin_token=@${NOMAD_SECRETS_DIR}/admin_token",
        ]
      }

      volume_mount {
        volume      = "state"
        destination = "/data"
      }

      # From Nomad's own variables (`nomad var put nomad/jobs/virtualworldport ...`).
      template {
        destination = "${NOMAD_SECRETS_DIR}/master_key"
        data        = "{{ with nomadVar \"nomad/jobs/virtualworldport\" }}{{ .master_key }}{{ end }}"
        perms       = "0400"
        uid         = 65532
        gid         = 65532
      }
      template {
        destination = "${NOMAD_SECRETS_DIR}/admin_token"
        data        = "{{ with nomadVar \"nomad/jobs/virtualworldport\" }}{{ .admin_token }}{{ end }}"
        perms       = "0400"
        uid         = 65532
        gid         = 65532
      }

      resources {
        cpu        = 1000
        memory     = 512
        memory_max = 2048
      }
    }
  }
}
