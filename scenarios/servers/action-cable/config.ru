# Action Cable without the rest of Rails, in one Puma process.
# Usage: puma --bind tcp://127.0.0.1:PORT action-cable/config.ru
require 'logger'
require 'active_support/all'
require 'rack'
require 'action_cable'

class EventsChannel < ActionCable::Channel::Base
  def subscribed
    stream_from params[:name]
  end
end

server = ActionCable.server
server.config.cable = { adapter: 'async' }.with_indifferent_access
server.config.connection_class = -> { ActionCable::Connection::Base }
server.config.disable_request_forgery_protection = true
server.config.logger = Logger.new(File::NULL)

run lambda { |env|
  _, route, channel = env['PATH_INFO'].split('/')
  if route == 'cable'
    server.call(env)
  elsif route == 'publish' && env['REQUEST_METHOD'] == 'POST'
    server.broadcast(channel, env['rack.input'].read.force_encoding('UTF-8'))
    [204, {}, []]
  else
    [404, {}, []]
  end
}
